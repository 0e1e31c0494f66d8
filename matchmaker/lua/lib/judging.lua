-- What becomes of an open match when it is left, or when its time is over.

-- Ranks under which one team is first and all others share the next place.
local function won_by(winner, teams)
  local ranks = {}
  for i = 1, teams do ranks[i] = i == winner and 1 or 2 end
  return ranks
end

-- The one team that has players left, or nil while there are several.
local function last_team(match)
  local found
  for number, team in ipairs(match.teams) do
    for _, player in ipairs(team) do
      if not match.left[player] then
        if found and found ~= number then return nil end
        found = number
      end
    end
  end
  return found
end

-- The time for reports is over: what was said alone counts as the rules have it.
local function close_unreported(realm, id, match, load_offend)
  local ranks = verdict_of(match)
  local alone = match.results.alone
  if ranks and alone == "dispute" then return dispute_match(realm, id, match) end
  local counts = ranks and alone == "counts"
  if counts then note_left(realm, match, match.reports, load_offend) end
  return finish_match(realm, id, match,
    { outcome = counts and "played" or "abandoned", by = "deadline", ranks = counts and ranks or nil })
end
