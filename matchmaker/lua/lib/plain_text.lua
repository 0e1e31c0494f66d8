-- Which strings may be ids and data.

-- True for well-formed UTF-8 without control characters (RFC 3629; surrogates and overlong forms are refused). Text can
-- be long: one anchored run over it, and one substitution for each form of a longer character if there are any.
local function is_plain_text(text)
  if not string.find(text, "^%C*$") then return false end
  if string.find(text, "^[%z\1-\127]*$") then return true end
  local tail = "[\128-\191]"
  local forms = {
    "[\194-\223]", "\224[\160-\191]", "[\225-\236\238\239]" .. tail, "\237[\128-\159]",
    "\240[\144-\191]" .. tail, "[\241-\243]" .. tail .. tail, "\244[\128-\143]" .. tail,
  }
  for _, form in ipairs(forms) do text = string.gsub(text, form .. tail, "") end
  return not string.find(text, "[\128-\255]")
end
