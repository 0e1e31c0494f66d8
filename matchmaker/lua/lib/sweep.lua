-- The best matching of a sorted slice. Input: ratings x and willingness w of places first..last, x ascending. Output:
-- mate[i] = j for both places of a pair. Maximises the total value, then the number of pairs: every pair earns EPSILON
-- on top, so that a value of exactly 0 is taken and cannot spin.

local LOOK_BACK = 16
local MOST_ROUNDS = 6

-- accept = "sum". Crossing or nested pairs can be uncrossed at no loss, so
--   F(i) = max(F(i-1), M(i-1) + w(i) - x(i)),  M(i) = max over j <= i of F(j-1) + w(j) + x(j)
-- and max_gap makes M the maximum of a sliding window, kept in a monotone deque. O(n), exact.
local function sweep_sum(x, w, first, last, max_gap, mate)
  local best, chosen = { [first - 1] = 0 }, {}
  local place, key, head, tail = {}, {}, 1, 0
  for i = first, last do
    while head <= tail and x[i] - x[place[head]] > max_gap do head = head + 1 end
    local value = best[i - 1]
    if head <= tail then
      local paired = key[head] + w[i] - x[i] + EPSILON
      if paired >= value then
        value = paired
        chosen[i] = place[head]
      end
    end
    best[i] = value
    local mine = best[i - 1] + w[i] + x[i]
    while head <= tail and key[tail] <= mine do tail = tail - 1 end
    tail = tail + 1
    place[tail], key[tail] = i, mine
  end
  local i = last
  while i >= first do
    local j = chosen[i]
    if j then
      mate[i], mate[j] = j, i
      i = j - 1
    else
      i = i - 1
    end
  end
end

-- accept = "both" or "either": pairs are gated by more than their value, so uncrossing may not be allowed. The same
-- recurrence with each place looking back at LOOK_BACK others; repeated on what is left until nothing pairs, which
-- also finds the pairs that enclose others.
local function sweep_gated(x, w, first, last, allowed, mate)
  local free = {}
  for i = first, last do free[#free + 1] = i end
  for _ = 1, MOST_ROUNDS do
    local n, best, chosen = #free, { [0] = 0 }, {}
    for i = 1, n do
      local b = free[i]
      local value = best[i - 1]
      for j = i - 1, math.max(1, i - LOOK_BACK), -1 do
        local a = free[j]
        local gap = x[b] - x[a]
        if allowed(gap, w[a], w[b]) then
          local paired = best[j - 1] + w[a] + w[b] - gap + EPSILON
          if paired > value then value, chosen[i] = paired, j end
        end
      end
      best[i] = value
    end
    local found, i = false, n
    while i >= 1 do
      local j = chosen[i]
      if j then
        mate[free[i]], mate[free[j]] = free[j], free[i]
        found, i = true, j - 1
      else
        i = i - 1
      end
    end
    if not found then return end
    local rest = {}
    for _, p in ipairs(free) do
      if not mate[p] then rest[#rest + 1] = p end
    end
    free = rest
  end
end
