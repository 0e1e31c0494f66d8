-- The shape of terms as callers send them.

-- Answers a function that checks the shape of a parsed ticket's terms: nil, or the field at fault and its bound.
local function shape_checker()
  local NAME, TEXT = "1 to 32 of a-z 0-9 _ . -, beginning with a letter or digit", "1 to 64 bytes of plain text"

  local function is_name(name)
    return type(name) == "string" and #name <= 32 and string.find(name, "^[a-z0-9][a-z0-9_.-]*$")
  end

  local function is_text(text, most)
    return type(text) == "string" and #text >= 1 and #text <= (most or 64) and is_plain_text(text)
  end

  -- The length of a list of at most `most` entries; nil for anything else.
  local function length_of(list, most)
    if type(list) ~= "table" or #list > most then return nil end
    for key in pairs(list) do
      if type(key) ~= "number" then return nil end
    end
    return #list
  end

  local function number_in(value, low, high)
    return type(value) == "number" and value >= low and value <= high
  end

  local function each_text(field, list, most, most_bytes)
    local n = length_of(list, most)
    if not n then return field, "a list of at most " .. most .. " texts" end
    for i = 1, n do
      if not is_text(list[i], most_bytes) then
        return field .. "[" .. i .. "]", "1 to " .. (most_bytes or 64) .. " bytes of UTF-8 without control characters"
      end
    end
  end

  local function rated(field, one)
    if type(one) ~= "table" then return field, "an object with a rating" end
    if not number_within(one.rating, -MOST_POINTS) then return field .. ".rating", "a number, -1000000 to 1000000" end
    if one.deviation ~= nil and not number_within(one.deviation, 0) then
      return field .. ".deviation", "a number, 0 to 1000000"
    end
    if one.choice ~= nil and not is_text(one.choice) then return field .. ".choice", TEXT end
  end

  local function attribute(field, value)
    if type(value) == "table" then
      if length_of(value, 16) == 0 then return field, "a list of 1 to 16 texts" end
      return each_text(field, value, 16)
    end
    if not is_text(value) and not number_in(value, -1e9, 1e9) then
      return field, "a text of 1 to 64 bytes, a list of 1 to 16 of them, or a number, -1000000000 to 1000000000"
    end
  end

  local function span(field, value)
    local n = length_of(value, 2)
    if n ~= 2 or not number_in(value[1], -1e9, 1e9) or not number_in(value[2], value[1], 1e9) then
      return field, "two numbers, the lower first, -1000000000 to 1000000000"
    end
  end

  local function ping(field, value)
    if not number_in(value, 0, 10000) then return field, "a number, 0 to 10000" end
  end

  local function refused(field, value) return each_text(field, value, 64) end

  local checks = {
    ratings = { rated, 8 }, sides = { rated, 16 }, attributes = { attribute, 32 }, accepts = { span, 8 },
    pings = { ping, 16 }, vetoes = { refused, 8 },
  }

  return function(t)
    for _, name in ipairs(TERMS) do
      local value, check = t[name], checks[name]
      if value == nil then
        check = nil
      elseif name == "region" then
        if not is_name(value) then return name, NAME end
      elseif name == "avoid" then
        local field, bound = each_text(name, value, 100, 128)
        if field then return field, bound end
      else
        if type(value) ~= "table" then return name, "an object" end
        local count, keys = 0, {}
        for key in pairs(value) do
          count = count + 1
          if not is_name(key) and not (name == "ratings" and type(key) == "string" and #key <= 64) then
            return name, "an object whose keys are names: " .. NAME
          end
          keys[count] = key
        end
        if count > check[2] then return name, "at most " .. check[2] .. " members" end
        table.sort(keys)
        for _, key in ipairs(keys) do
          local field, bound = check[1](name .. "." .. key, value[key])
          if field then return field, bound end
        end
      end
    end
  end
end

local check_shape = shape_checker()
