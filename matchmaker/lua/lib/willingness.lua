-- Willingness, the value of a pair, and the moment at which a pair falls due. `matchmaker/willingness.py` is the same
-- arithmetic, written apart from this, and the tests hold one against the other.

-- Values are sums of rounded doubles: a pair whose value is 0 but for rounding is due.
local EPSILON = 1e-6
-- The last moment anybody can name: beyond it a double no longer tells one ms from the next. What falls due later never
-- does; so no moment is infinite, however slow the growth.
local HORIZON_MS = 2 ^ 53

-- Answers four functions for one queue's rules. Few and flat: a pass makes them anew at every call.
--   willing(waited_ms, deviation)       the willingness
--   is_due(gap, w_a, w_b)               whether a pair is due, for the queue's `accept`
--   reach(points, since_ms, deviation)  the first realm ms at which a ticket enqueued at since_ms gives `points` (to
--                                       within EPSILON), or nil; infinite for growth too slow to name
--   due_at(gap, since_a, deviation_a, since_b, deviation_b, now)
--                                       the first whole realm ms, not before now, at which a pair is due, or nil
local function judge(rules)
  local kind, accept, widest = rules.kind, rules.accept, rules.max_gap
  local base, cap = rules.base, rules.cap < 0 and math.huge or rules.cap
  local rate, step, every, doubling = rules.per_second / 1000, rules.step, rules.every_ms, rules.doubling_ms
  local k, above = rules.per_deviation, rules.deviation_above
  local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max

  local function willing(waited, deviation)
    local w
    if kind == "linear" then
      w = base + rate * waited
    elseif kind == "stepped" then
      w = base + step * floor(waited / every)
    else
      -- 2^1000 is beyond every cap and gap there is, and still finite.
      w = base * 2 ^ min(waited / doubling, 1000)
    end
    if deviation > above then w = w + k * (deviation - above) end
    if w > cap then return cap end
    return w
  end

  local function is_due(gap, a, b)
    if gap > widest then return false end
    if accept == "sum" then return a + b - gap >= -EPSILON end
    if accept == "either" then return gap <= max(a, b) + EPSILON end
    return gap <= min(a, b) + EPSILON
  end

  local function reach(points, since, deviation)
    if points > cap + EPSILON then return nil end
    local wanted = points - EPSILON
    if deviation > above then wanted = wanted - k * (deviation - above) end
    if wanted <= base then return since end
    if kind == "linear" then
      return rate > 0 and since + ceil((wanted - base) / rate) or nil
    elseif kind == "stepped" then
      return step > 0 and since + ceil((wanted - base) / step) * every or nil
    end
    return base > 0 and since + ceil(doubling * math.log(wanted / base) / math.log(2)) or nil
  end

  -- Under "sum" and linear growth both lines rise at one rate until one meets the cap, then the other does alone.
  local function sum_linear(gap, since_a, dev_a, since_b, dev_b)
    local start_a = dev_a > above and base + k * (dev_a - above) or base
    local start_b = dev_b > above and base + k * (dev_b - above) or base
    gap = gap - EPSILON
    local at = ceil(((gap - start_a - start_b) / rate + since_a + since_b) / 2)
    if cap == math.huge then return at end
    local capped_a, capped_b = since_a + (cap - start_a) / rate, since_b + (cap - start_b) / rate
    if at <= capped_a and at <= capped_b then return at end
    if capped_a <= capped_b then return ceil((gap - cap - start_b) / rate + since_b) end
    return ceil((gap - cap - start_a) / rate + since_a)
  end

  -- The first whole ms after low, not after high, at which the pair is due, given that it is at high.
  local function bisect(low, high, gap, since_a, dev_a, since_b, dev_b)
    while high - low > 1 do
      local middle = floor((low + high) / 2)
      if is_due(gap, willing(middle - since_a, dev_a), willing(middle - since_b, dev_b)) then
        high = middle
      else
        low = middle
      end
    end
    return high
  end

  local function due_at(gap, since_a, dev_a, since_b, dev_b, now)
    if gap > widest then return nil end
    if is_due(gap, willing(now - since_a, dev_a), willing(now - since_b, dev_b)) then return now end
    local at
    if accept == "sum" then
      if gap > 2 * cap + EPSILON then return nil end
      if kind == "linear" then
        if rate <= 0 then return nil end
        at = sum_linear(gap, since_a, dev_a, since_b, dev_b)
      else
        -- No later than when each of them gives half the gap, or is at its cap.
        local half = min(gap / 2, cap) + EPSILON
        local a, b = reach(half, since_a, dev_a), reach(half, since_b, dev_b)
        if not a or not b then return nil end
        at = min(max(a, b, now + 1), HORIZON_MS)
        if not is_due(gap, willing(at - since_a, dev_a), willing(at - since_b, dev_b)) then return nil end
        return bisect(now, at, gap, since_a, dev_a, since_b, dev_b)
      end
    else
      local a, b = reach(gap, since_a, dev_a), reach(gap, since_b, dev_b)
      if accept == "either" then
        at = a and b and min(a, b) or a or b
      else
        at = a and b and max(a, b)
      end
    end
    if not at or at > HORIZON_MS then return nil end
    -- The closed forms round: the rule itself decides, a ms around.
    if at <= now then at = now + 1 end
    for _ = 1, 4 do
      if at - 1 <= now or not is_due(gap, willing(at - 1 - since_a, dev_a), willing(at - 1 - since_b, dev_b)) then
        break
      end
      at = at - 1
    end
    for _ = 1, 4 do
      if is_due(gap, willing(at - since_a, dev_a), willing(at - since_b, dev_b)) then break end
      at = at + 1
    end
    return at
  end

  return willing, is_due, reach, due_at
end
