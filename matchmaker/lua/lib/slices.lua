-- A slice of a line with constraints: the places around one of a ticket's.

-- Answers
--   around(t, place, side, k)   the tickets around t's place and their ratings, ascending, as a list { n, ticket, x, w,
--                               node, cut_low, cut_high }: the last two say that the line goes on beyond that end. t is
--                               among them if the side is its own: where many have one rating it may not be among the
--                               nearest to itself.
--   both_sides(t, place, k)     two such lists, no further than both of them show whole
--   weigh(list, side)           their willingness; with `fully` also t, their standings
--   simple                      nothing but sides and willingness stands between two tickets
local function slice_reader(realm, line, rules, allows, moments, view)
  local now = realm.now
  local simple = not allows.forbids and rules.accept == "sum"
  -- Willingness by the wait alone: then nobody's terms need to be read to solve a slice.
  local light = simple and rules.per_deviation == 0 and not rules.constraints.provisional

  local function around(t, place, side, k)
    local below, above = view.nearest({ line, side == 0 and 0 or 3 - side, place[3] }, 2 * k, math.huge)
    local n_below, n_above = #below / 2, #above / 2
    -- Next to an end of the line, as many places the more to the other side: short lines are seen whole.
    local from_below = math.min(n_below, math.max(k, 2 * k - n_above))
    local from_above = math.min(n_above, math.max(k, 2 * k - n_below))
    local list = { n = 0, ticket = {}, x = {}, w = {}, node = {}, cut_low = n_below > from_below,
      cut_high = n_above > from_above }
    local there = side ~= place[2]
    local function add(ticket, x)
      list.n = list.n + 1
      list.ticket[list.n], list.x[list.n] = ticket, x
    end
    for i = 2 * from_below - 1, 1, -2 do
      there = there or below[i] == t.ticket
      add(below[i], tonumber(below[i + 1]))
    end
    if not there then add(t.ticket, place[3]) end
    for i = 1, 2 * from_above - 1, 2 do add(above[i], tonumber(above[i + 1])) end
    return list
  end

  -- Only entries low..high, as they stand in the list.
  local function trimmed(list, low, high, cut_low, cut_high)
    local kept = { n = 0, ticket = {}, x = {}, w = {}, node = {}, cut_low = cut_low, cut_high = cut_high }
    for i = 1, list.n do
      if list.x[i] >= low and list.x[i] <= high then
        kept.n = kept.n + 1
        kept.ticket[kept.n], kept.x[kept.n] = list.ticket[i], list.x[i]
      end
    end
    return kept
  end

  local function both_sides(whom, place, k)
    local a, b = around(whom, place, 1, k), around(whom, place, 2, k)
    local low = math.max(a.cut_low and a.x[1] or -math.huge, b.cut_low and b.x[1] or -math.huge)
    local high = math.min(a.cut_high and a.x[a.n] or math.huge, b.cut_high and b.x[b.n] or math.huge)
    local cut_low, cut_high = low > -math.huge, high < math.huge
    return trimmed(a, low, high, cut_low, cut_high), trimmed(b, low, high, cut_low, cut_high)
  end

  local function weigh(list, side, fully)
    if light and not fully then
      local ages = list.n > 0 and call("ZMSCORE", key_of("ages:" .. line), unpack(list.ticket)) or {}
      local place = { line, side, 0, 0 }
      for i = 1, list.n do list.w[i] = moments.points({ since = tonumber(ages[i]) or now }, place, now) end
      return
    end
    view.learn(list.ticket)
    list.t = {}
    for i = 1, list.n do
      local t = view.of(list.ticket[i])
      list.t[i], list.w[i] = t, moments.points(t, t.place[side], now)
    end
  end

  return { around = around, both_sides = both_sides, weigh = weigh, simple = simple }
end
