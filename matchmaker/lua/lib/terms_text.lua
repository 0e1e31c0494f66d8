-- The JSON members that an enqueued event repeats of a ticket with terms, behind its first rating.
local function terms_text(t, queues)
  local function number_or_text(value)
    return type(value) == "number" and number_text(value) or cjson.encode(value)
  end

  local function list_text(list)
    local parts = {}
    for i, one in ipairs(list) do parts[i] = number_or_text(one) end
    return "[" .. table.concat(parts, ",") .. "]"
  end

  local function object_text(object, text_of)
    local names, parts = {}, {}
    for name in pairs(object) do names[#names + 1] = name end
    table.sort(names)
    for i, name in ipairs(names) do parts[i] = cjson.encode(name) .. ":" .. text_of(object[name]) end
    return "{" .. table.concat(parts, ",") .. "}"
  end

  local function rated_text(one)
    local text = '{"rating":' .. number_text(one.rating)
    if one.deviation then text = text .. ',"deviation":' .. number_text(one.deviation) end
    if one.choice then text = text .. ',"choice":' .. cjson.encode(one.choice) end
    return text .. "}"
  end

  local function value_text(value) return type(value) == "table" and list_text(value) or number_or_text(value) end

  local text = #queues > 1 and ',"queues":' .. list_text(queues) or ""
  local texts_of = {
    ratings = rated_text, sides = rated_text, attributes = value_text, accepts = list_text, pings = number_or_text,
    vetoes = list_text,
  }
  for _, name in ipairs(TERMS) do
    local value = t[name]
    if value ~= nil then
      text = text .. ',"' .. name .. '":'
      if texts_of[name] then
        text = text .. object_text(value, texts_of[name])
      else
        text = text .. (name == "avoid" and list_text(value) or cjson.encode(value))
      end
    end
  end
  return text
end
