// The websocket to the server: who acts, what is sent, what comes back to whom.

import { dropMessage, openChannel, takeMessage, takeServer, tell } from "./state.js";
import { speak, words } from "./words.js";

const RETRY_MS = [300, 1000, 2000, 5000];
let socket = null;
let attempts = 0;
/** Why the server takes no tab, in words; "" where it does. */
let full = "";
let counter = 0;
const waiting = new Map();

/** Returns whom this tab acts as; null lets the server choose somebody whom no other tab is. */
function actingAs() {
  return new URLSearchParams(location.search).get("as") ?? sessionStorage.getItem("as");
}

/** Lets this tab be somebody else from now on. */
export function actAs(name) {
  sessionStorage.setItem("as", name);
  const address = new URL(location.href);
  address.searchParams.delete("as");
  history.replaceState(null, "", address);
  socket?.close();
  attempts = 0;
  connect();
}

/** Opens the connection, and opens it again whenever it is lost. */
export function connect() {
  const name = actingAs();
  const query = new URLSearchParams({ ...(name ? { as: name } : {}), languages: navigator.languages.join(",") });
  const mine = new WebSocket(`ws://${location.host}/tab?${query}`);
  socket = mine;
  mine.addEventListener("message", (event) => {
    if (mine === socket) take(JSON.parse(event.data));
  });
  mine.addEventListener("close", () => {
    if (mine !== socket) return;
    for (const { refused } of waiting.values()) refused?.(words("connection.lost_waiting"));
    waiting.clear();
    tell("connection", full || words("connection.lost"));
    setTimeout(() => mine === socket && connect(), RETRY_MS[Math.min(attempts++, RETRY_MS.length - 1)]);
  });
}

/** Sends an action. `handlers` hear of its end: answered(fields), refused(text), overdue(). */
export function send(type, fields, handlers = {}) {
  const nonce = String(++counter);
  if (socket?.readyState !== WebSocket.OPEN) {
    handlers.refused?.(words("connection.none"));
    return nonce;
  }
  waiting.set(nonce, handlers);
  socket.send(JSON.stringify({ type, nonce, ...fields }));
  return nonce;
}

function take(frame) {
  const handlers = frame.nonce ? waiting.get(frame.nonce) : undefined;
  switch (frame.type) {
    case "server": {
      attempts = 0;
      sessionStorage.setItem("as", frame.you.name);
      const another = speak([frame.you.language]);
      takeServer(frame);
      if (another) tell("language");
      full = "";
      tell("connection", "");
      break;
    }
    case "full":
      attempts = RETRY_MS.length;
      full = words("connection.full", { most: frame.most });
      break;
    case "message":
      takeMessage(frame.message);
      break;
    case "gone":
      dropMessage(frame.id, frame.channel);
      break;
    case "open":
      openChannel(frame.channel);
      break;
    case "traffic":
    case "typing":
      tell(frame.type, frame);
      break;
    case "answered":
      handlers?.answered?.(frame);
      if (frame.modal) tell("modal", frame);
      waiting.delete(frame.nonce);
      break;
    case "refused":
      handlers?.refused?.(frame.text);
      waiting.delete(frame.nonce);
      break;
    case "overdue":
      handlers?.overdue?.();
      waiting.delete(frame.nonce);
      break;
  }
}
