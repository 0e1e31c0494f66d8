-- The text of an enqueued event (see lib/events), without its opening brace.
local function enqueued_text(record)
  return string.format('"v":1,"event":"enqueued","at":%d,"queue":"%s","ticket":"%s",%s}', record.enqueued_ms,
    record.queue, record.ticket, record.members)
end
