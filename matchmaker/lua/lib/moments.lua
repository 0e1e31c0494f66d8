-- The moment at which a pair of standings falls due under constraints: what lib/willingness says of a pair, with prices,
-- rules that open later, and provisional players.

-- Answers
--   points(t, place, now)                willingness of a ticket at one of its places
--   value_now(a, pa, b, pb, wa, wb, now) value of the pair if it is due by willingness, gap and price, else nil
--   due_of(a, pa, b, pb, now)            the first realm ms, not before now, at which the pair is due, or nil
--   due_beyond(a, pa, gap, since, deviation, now)
--                                        no later than the first at which it is due with any ticket at least `gap` away
--                                        that came at `since` or later and has at most that deviation, or nil
local function pair_moments(rules, allows)
  local widest, new = rules.max_gap, rules.constraints.provisional
  -- The gap alone is held to max_gap, not the gap and the price.
  rules.max_gap = math.huge
  local willing, is_due, _, due_at = judge(rules)
  local willing_new, due_at_new
  if new then
    new.accept, new.max_gap = rules.accept, math.huge
    willing_new, _, _, due_at_new = judge(new)
  end
  rules.max_gap = widest
  local from_deviation = new and new.deviation_from or math.huge
  local abs, floor, ceil = math.abs, math.floor, math.ceil

  local function points(t, place, now)
    local deviation = place[4]
    return (deviation >= from_deviation and willing_new or willing)(now - t.since, deviation)
  end

  -- By halving: for pairs whose tickets grow by different rules.
  local function due_mixed(gap, since_a, dev_a, grow_a, since_b, dev_b, grow_b, now)
    local function holds(at) return is_due(gap, grow_a(at - since_a, dev_a), grow_b(at - since_b, dev_b)) end
    if holds(now) then return now end
    local low, step = now, 1000
    while not holds(low + step) do
      low, step = low + step, 2 * step
      if low + step > HORIZON_MS then return nil end
    end
    local high = low + step
    while high - low > 1 do
      local middle = floor((low + high) / 2)
      if holds(middle) then high = middle else low = middle end
    end
    return high
  end

  local function due(gap, since_a, dev_a, new_a, since_b, dev_b, new_b, now)
    if new_a ~= new_b then
      return due_mixed(gap, since_a, dev_a, new_a and willing_new or willing, since_b, dev_b,
        new_b and willing_new or willing, now)
    end
    return (new_a and due_at_new or due_at)(gap, since_a, dev_a, since_b, dev_b, now)
  end

  local function value_now(a, pa, b, pb, wa, wb, now)
    local gap = abs(pa[3] - pb[3])
    if gap > widest or not is_due(gap, wa, wb) then return nil end
    if allows.prices then
      gap = gap + allows.price(a, b, now)
      if not is_due(gap, wa, wb) then return nil end
    end
    return wa + wb - gap
  end

  local function due_of(a, pa, b, pb, now)
    local gap = abs(pa[3] - pb[3])
    if gap > widest then return nil end
    local from = allows.open_from(a, b)
    if not from then return nil end
    if from < now then from = now end
    local new_a, new_b = pa[4] >= from_deviation, pb[4] >= from_deviation
    local costs = allows.prices and allows.prices(a, b)
    if not costs or #costs == 0 then return due(gap, a.since, pa[4], new_a, b.since, pb[4], new_b, from) end
    -- Prices fall in steps: between two of them the price is one, and a moment found beyond the next is not yet known.
    while true do
      local price, next_step = 0, math.huge
      for _, cost in ipairs(costs) do
        if cost[2] > from then
          price = price + cost[1]
          if cost[2] < next_step then next_step = cost[2] end
        end
      end
      local at = due(gap + price, a.since, pa[4], new_a, b.since, pb[4], new_b, from)
      if at and at < next_step then return at end
      if next_step == math.huge then return nil end
      from = ceil(next_step)
    end
  end

  local function due_beyond(a, pa, gap, since, deviation, now)
    if gap > widest then return nil end
    local new_a = pa[4] >= from_deviation
    local at = due(gap, a.since, pa[4], new_a, since, deviation, false, now)
    if new then
      local other = due(gap, a.since, pa[4], new_a, since, deviation, true, now)
      if other and (not at or other < at) then at = other end
    end
    return at
  end

  return { points = points, value_now = value_now, due_of = due_of, due_beyond = due_beyond, is_due = is_due,
    widest = widest }
end
