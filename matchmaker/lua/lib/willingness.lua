-- Willingness, the value of a pair, and the moment at which a pair falls due. `matchmaker/willingness.py` is the same
-- arithmetic, written apart from this, and the tests hold one against the other.

-- Values are sums of rounded doubles: a pair whose value is 0 but for rounding is due.
local EPSILON = 1e-6

-- Answers a table of functions for one queue's rules (compiled: a missing cap is -1).
--   at(waited_ms, deviation)             the willingness
--   reach(points, since_ms, deviation)   the first realm ms at which a ticket enqueued at since_ms gives `points`
--                                        (to within EPSILON), or nil
local function willingness_of(rules)
  local base, cap = rules.base, rules.cap < 0 and math.huge or rules.cap
  local k, above = rules.per_deviation, rules.deviation_above
  local floor, ceil, min, log = math.floor, math.ceil, math.min, math.log
  local function extra(deviation)
    return deviation > above and k * (deviation - above) or 0
  end

  local grown, time_to
  if rules.kind == "stepped" then
    local step, every = rules.step, rules.every_ms
    grown = function(waited) return base + step * floor(waited / every) end
    time_to = function(points) return step > 0 and ceil((points - base) / step) * every or nil end
  elseif rules.kind == "exponential" then
    local doubling = rules.doubling_ms
    -- 2^1000 is beyond every cap and gap there is, and still finite.
    grown = function(waited) return base * 2 ^ min(waited / doubling, 1000) end
    time_to = function(points) return base > 0 and doubling * log(points / base) / log(2) or nil end
  else
    local rate = rules.per_second / 1000
    grown = function(waited) return base + rate * waited end
    time_to = function(points) return rate > 0 and (points - base) / rate or nil end
  end

  local function at(waited, deviation)
    return min(cap, grown(waited) + extra(deviation))
  end

  local function reach(points, since, deviation)
    if points > cap + EPSILON then return nil end
    local wanted = points - EPSILON - extra(deviation)
    if wanted <= base then return since end
    local wait = time_to(wanted)
    return wait and since + ceil(wait)
  end

  return { at = at, reach = reach, cap = cap, base = base, extra = extra, rate = rules.per_second / 1000 }
end

-- Answers allowed(gap, w_a, w_b): whether a pair is due, for the queue's `accept`.
local function acceptance_of(rules)
  local widest, max, min = rules.max_gap, math.max, math.min
  if rules.accept == "either" then
    return function(gap, a, b) return gap <= widest and gap <= max(a, b) + EPSILON end
  elseif rules.accept == "both" then
    return function(gap, a, b) return gap <= widest and gap <= min(a, b) + EPSILON end
  end
  return function(gap, a, b) return gap <= widest and a + b - gap >= -EPSILON end
end

-- The first whole ms in (low, high] at which `holds`, given that it holds at `high` and is monotone.
local function bisect(low, high, holds)
  while high - low > 1 do
    local middle = math.floor((low + high) / 2)
    if holds(middle) then high = middle else low = middle end
  end
  return high
end

-- Answers due_at(gap, since_a, deviation_a, since_b, deviation_b, now): the first whole realm ms, not before now, at
-- which a pair is due; nil when it never is. Exact up to the rounding of the closed forms, which is mended by
-- evaluating the rule itself a ms around.
local function certificate_of(rules, w)
  local allowed, widest = acceptance_of(rules), rules.max_gap
  local max, ceil = math.max, math.ceil

  -- Under "sum" and linear growth both lines rise at one rate until one meets the cap, then one of them does.
  local function sum_linear(gap, since_a, extra_a, since_b, extra_b)
    local rate, base, cap = w.rate, w.base, w.cap
    if rate <= 0 then return nil end
    local at = ceil(((gap - 2 * base - extra_a - extra_b) / rate + since_a + since_b) / 2)
    if cap == math.huge then return at end
    local capped_a = since_a + (cap - base - extra_a) / rate
    local capped_b = since_b + (cap - base - extra_b) / rate
    if at <= capped_a and at <= capped_b then return at end
    if capped_a <= capped_b then return ceil((gap - cap - base - extra_b) / rate + since_b) end
    return ceil((gap - cap - base - extra_a) / rate + since_a)
  end

  local function settle(at, now, due)
    at = max(at, now)
    for _ = 1, 4 do
      if at <= now or not due(at - 1) then break end
      at = at - 1
    end
    for _ = 1, 4 do
      if due(at) then break end
      at = at + 1
    end
    return at
  end

  return function(gap, since_a, dev_a, since_b, dev_b, now)
    if gap > widest then return nil end
    local function due(at)
      return allowed(gap, w.at(at - since_a, dev_a), w.at(at - since_b, dev_b))
    end
    if due(now) then return now end
    local at
    if rules.accept == "sum" and rules.kind == "linear" then
      if gap > 2 * w.cap + EPSILON then return nil end
      at = sum_linear(gap, since_a, w.extra(dev_a), since_b, w.extra(dev_b))
    else
      local a, b = w.reach(gap, since_a, dev_a), w.reach(gap, since_b, dev_b)
      if rules.accept == "either" then
        at = a and b and math.min(a, b) or a or b
      elseif rules.accept == "both" then
        at = a and b and max(a, b)
      else
        if gap > 2 * w.cap + EPSILON then return nil end
        -- Somewhere before one of them alone gives the whole gap, or both are at their cap.
        local half = math.min(gap, w.cap)
        a, b = w.reach(half + EPSILON, since_a, dev_a), w.reach(half + EPSILON, since_b, dev_b)
        if not a or not b then return nil end
        at = max(a, b, now)
        return due(at) and bisect(now, at, due) or settle(at, now, due)
      end
    end
    return at and settle(at, now, due)
  end
end
