-- A ticket cancelled during its ready check.

local function decline_for(realm, id, player)
  local check = find_check(realm, id)
  if realm.now >= check["until"] then return time_out(realm, id, check) end
  return fail_check(realm, id, check, "declined", { [player] = true })
end
