-- Reports of how a match ended.

local RANKS = "a JSON list of %d whole numbers, one a team: the best is 1, none above %d, ties are equal"

local function is_ranks(ranks, teams)
  if type(ranks) ~= "table" or #ranks ~= teams then return false end
  local best, n = teams + 1, 0
  for _ in pairs(ranks) do n = n + 1 end
  for i = 1, #ranks do
    local rank = ranks[i]
    if type(rank) ~= "number" or not (rank >= 1 and rank <= teams) or rank ~= math.floor(rank) then return false end
    best = math.min(best, rank)
  end
  return best == 1 and n == teams
end

-- The report that the arguments tell of the match as { ranks, left (sorted, nil for nobody) }; or nil and the refusal.
local function parse_report(match, ranks_text, left_text)
  local ok, ranks = pcall(cjson.decode, string.sub(ranks_text or "", 1, 1000))
  if not ok or not is_ranks(ranks, #match.teams) then
    return nil, { "invalid", "ranks", string.format(RANKS, #match.teams, #match.teams) }
  end
  if left_text == "[]" then return { ranks = ranks } end
  local left
  ok, left = pcall(cjson.decode, left_text or "")
  local known = ok and type(left) == "table"
  for key, player in pairs(known and left or {}) do
    known = known and type(key) == "number" and type(player) == "string" and team_of(match, player) ~= nil
  end
  if known then table.sort(left) end
  for i = 2, known and #left or 0 do known = known and left[i] ~= left[i - 1] end
  if not known then return nil, { "invalid", "left", "a JSON list of players of the match, each once" } end
  return { ranks = ranks, left = #left > 0 and left or nil }
end

local function same_report(one, other)
  return same_ranks(one.ranks, other.ranks) and same_ranks(one.left or {}, other.left or {})
end
