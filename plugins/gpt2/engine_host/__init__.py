"""An engine for a router: the service of this machine behind the wire, which registers and beats."""
