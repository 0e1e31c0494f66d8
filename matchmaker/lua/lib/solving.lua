-- The best pairs of a slice of a line with constraints.

-- Places to either side that are solved together: of one line, of each side, and of each side where the heaps are
-- exact.
-- MARGIN of the outermost are left to the next slice when they would only be paired among themselves.
local AROUND, AROUND_SIDE, AROUND_EXACT, MARGIN = 40, 20, 220, 5
-- A line with sides of no more than twice so many places is solved whole.
local SHORT = 120
-- Where little of the line is due, what is lies close together.
local NARROW = 12
-- How thoroughly a slice of a longer line is solved (see lib/augment): its edges cost more than what is left here.
local EFFORT, MOST_EFFORT = 4, 2000

-- Answers a function of a ticket, one of its places, and whether much of the line is due: the pairs to make around it, as
-- { ticket of the first side, ticket of the other, how far the nearer of them is from the place }, and places looked at.
local function slice_solver(realm, line, rules, allows, moments, view)
  local now, forbids = realm.now, allows.forbids
  local slices = slice_reader(realm, line, rules, allows, moments, view)

  local opens = open_now_of(rules, allows, now)

  local function effort_for(n, is_cut) return is_cut and EFFORT or n > 100 and MOST_EFFORT / n or nil end

  local function solve_one(whom, place, dense)
    local list, mate, found = slices.around(whom, place, 0, dense and AROUND or NARROW), {}, {}
    slices.weigh(list, 0, true)
    local t, w, x = list.t, list.w, list.x
    local function value_of(i, j)
      local worth = moments.value_now(t[i], t[i].place[0], t[j], t[j].place[0], w[i], w[j], now)
      return worth and (not forbids or opens(t[i], t[j])) and worth or nil
    end
    solve_line(list.n, x, w, value_of, mate, effort_for(list.n, list.cut_low or list.cut_high))
    local first = list.cut_low and MARGIN + 1 or 1
    local last = list.cut_high and list.n - MARGIN or list.n
    for i = 1, list.n do
      local j = mate[i]
      if j and j > i and j >= first and i <= last then
        local away = math.min(math.abs(x[i] - place[3]), math.abs(x[j] - place[3]))
        found[#found + 1] = { list.ticket[i], list.ticket[j], away }
      end
    end
    return found, list.n
  end

  -- Numbers the tickets of both sides; answers the tickets by number, and whether one offers both.
  local function number_nodes(a, b)
    local nodes, of, duals = {}, {}, false
    for _, list in ipairs({ a, b }) do
      for i = 1, list.n do
        local ticket = list.ticket[i]
        if nodes[ticket] then
          duals = true
        else
          of[#of + 1] = ticket
          nodes[ticket] = #of
        end
        list.node[i] = nodes[ticket]
      end
    end
    return of, duals
  end

  local function values_of(a, b)
    local memo = {}
    return function(i, j)
      local one, other = a.t[i], b.t[j]
      local worth = moments.value_now(one, one.place[1], other, other.place[2], a.w[i], b.w[j], now)
      if not worth or not forbids then return worth end
      local m, n = a.node[i], b.node[j]
      local key = m < n and m * 1024 + n or n * 1024 + m
      if memo[key] == nil then memo[key] = opens(one, other) end
      return memo[key] and worth or nil
    end
  end

  -- The ratings between which a pair is not left to the next slice.
  local function inner(a, b)
    local low, high = -math.huge, math.huge
    for _, list in ipairs({ a, b }) do
      if list.n > 2 * MARGIN then
        if a.cut_low then low = math.max(low, list.x[MARGIN]) end
        if a.cut_high then high = math.min(high, list.x[list.n - MARGIN + 1]) end
      end
    end
    return low, high
  end

  -- The heaps' answer where nobody offers both sides and nothing forbids: best, unless it pairs beyond max_gap. Answers
  -- the lists, the tickets by node, mates and sides; nil where it is no answer.
  local function by_heaps(whom, place)
    local a, b = slices.both_sides(whom, place, AROUND_EXACT)
    local of, duals = number_nodes(a, b)
    if duals then return nil end
    slices.weigh(a, 1)
    slices.weigh(b, 2)
    local mate, plays, beyond = {}, {}, false
    local function value_of(i, j)
      local gap = math.abs(a.x[i] - b.x[j])
      beyond = beyond or gap > moments.widest
      return a.w[i] + b.w[j] - gap
    end
    solve_sides(a, b, value_of, true, mate, plays)
    if beyond then return nil end
    return a, b, of, mate, plays
  end

  local function by_search(whom, place, k)
    local a, b = slices.both_sides(whom, place, k)
    local of = number_nodes(a, b)
    slices.weigh(a, 1, true)
    slices.weigh(b, 2, true)
    local mate, plays = {}, {}
    solve_sides(a, b, values_of(a, b), false, mate, plays, effort_for(#of, a.cut_low or a.cut_high))
    return a, b, of, mate, plays
  end

  local function solve_two(whom, place, dense)
    local a, b, of, mate, plays
    if slices.simple and dense then a, b, of, mate, plays = by_heaps(whom, place) end
    if not a then
      local places = call("ZCARD", view.key_for(1)) + call("ZCARD", view.key_for(2))
      local k = places <= 2 * SHORT and SHORT or dense and AROUND_SIDE or NARROW
      a, b, of, mate, plays = by_search(whom, place, k)
    end
    local found = {}
    local x_of, low, high = { {}, {} }, inner(a, b)
    for k, list in ipairs({ a, b }) do
      for i = 1, list.n do x_of[k][list.node[i]] = list.x[i] end
    end
    for node = 1, #of do
      if mate[node] and plays[node] == 1 then
        local one, two = x_of[1][node], x_of[2][mate[node]]
        if not (one < low and two < low) and not (one > high and two > high) then
          local away = math.min(math.abs(one - place[3]), math.abs(two - place[3]))
          found[#found + 1] = { of[node], of[mate[node]], away }
        end
      end
    end
    return found, a.n + b.n
  end

  return function(whom, place, dense) return (place[2] == 0 and solve_one or solve_two)(whom, place, dense) end
end
