-- Who may not join a queue for now.

-- Answers a function of a player: the reply that refuses it, or nil.
local function barred_from(realm, queues, rules_of)
  local asks = false
  for _, queue in ipairs(queues) do asks = asks or rules_of[queue].penalties ~= nil end

  return function(player)
    local ticket = call("HGET", key_of("playing"), "p:" .. player)
    if ticket then
      local ended = find_ended(realm, ticket)
      return { "in_match", player, ended and ended.end_event or "" }
    end
    if not asks then return nil end
    local _, _, until_ms = penalty_of(player)
    if until_ms > realm.now then return { "penalised", player, whole(until_ms), whole(until_ms - realm.now) } end
  end
end
