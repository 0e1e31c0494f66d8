-- Where tickets stand depends on the sides and classes of their queue, and on nothing else of its rules.

local function shape_of(rules)
  local c = rules.constraints or {}
  return table.concat(c.sides or {}, ",") .. "/" .. table.concat(c.same or {}, ",")
end
