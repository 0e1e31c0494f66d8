-- A queue whose matches somebody's own function proposes (matching = "own"): passes make none. What is due is handed
-- over to whoever waits on the list propose:<queue>, as the name of the line in which something changed. The name is a
-- hint: proposers reread the lines all the same, so one that dies with a hint in hand loses nothing but time.

-- Each line stands in the list once, so the second bound is one on classes.
local MOST_DUE, MOST_TOKENS = 1000, 512

local function hand_over(realm, line, _, _, _, ahead)
  local due_key, tokens = key_of("due:" .. line), key_of("propose:" .. queue_of(line))
  local due = math.min(MOST_DUE, call("ZCOUNT", due_key, "-inf", whole(realm.now + ahead)))
  if due > 0 then
    call("ZREMRANGEBYRANK", due_key, 0, due - 1)
    if not call("LPOS", tokens, line) and call("LLEN", tokens) < MOST_TOKENS then call("LPUSH", tokens, line) end
  end
  return due, 0, 0, {}
end
