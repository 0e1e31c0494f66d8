-- The text of a cancelled or expired event (see lib/events), without its opening brace.

local UNMATCHED = '"v":1,"event":"%s","at":%d,"queue":"%s","ticket":"%s",%s,"waited_ms":%d,"reason":"%s"}'
