-- Which members of a ticket are terms (lib/terms).

local TERMS = { "ratings", "sides", "attributes", "accepts", "pings", "region", "vetoes", "avoid" }

local function has_terms(t)
  return t.ratings ~= nil or t.sides ~= nil or t.attributes ~= nil or t.accepts ~= nil or t.pings ~= nil
    or t.region ~= nil or t.vetoes ~= nil or t.avoid ~= nil
end

local function bring_terms(tickets)
  for _, t in ipairs(tickets) do
    if has_terms(t) then return true end
  end
  return false
end
