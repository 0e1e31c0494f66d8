-- Work on a queue that spans several calls, kept in the rules' field c:<queue>:
--   closing       the queue is removed: its tickets are cancelled
--   reshape       its sides or classes changed: its tickets are cancelled, for none of them said where it stands now
--   =<position>   it has constraints now: tickets up to the position got terms
--   @<line>       (of a queue with constraints) everybody in its lines before this one was made due for a look
--   @<line> <position>  as before, and in this line those up to the position
--   <position>    (of a queue without constraints) certificates up to there are renewed after new rules
-- A position is that of lib/position.

local function keeps_from_matching(work)
  return work and (work == "closing" or work == "reshape" or string.sub(work, 1, 1) == "=")
end
