// Starts the page.

import "./compose/composer.js";
import { connect } from "./connection.js";
import "./inspector.js";
import "./message/message_list.js";
import "./message/modal.js";
import { applyTheme } from "./shell.js";

applyTheme();
// The key was for the first request only; the address bar need not keep it.
const address = new URL(location.href);
address.searchParams.delete("key");
history.replaceState(null, "", address);
connect();
