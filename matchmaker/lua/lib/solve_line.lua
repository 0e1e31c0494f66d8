-- A matching of one line whose pairs are constrained, close to the best.
--
-- Places 1..n, x ascending, w >= 0. value_of(i, j), i < j, answers the pair's value, or nil while it may not be made.
-- It is asked once a pair at most, and never for a pair whose gap is beyond w[i] + w[j], which no `accept` allows.
-- Fills mate[i] = j for both places of a pair, and leaves no two places free that may be paired; but with `effort`, which
-- is augment's, fewer pairs are asked about.
local function solve_line(n, x, w, value_of, mate, effort)
  -- Each place is linked to the nearest it may be paired with: `enough` of them, if so many are within `window` places.
  local window, enough = 32, n > 80 and 6 or 8
  if effort then window, enough = 24, 5 end
  -- sight: how many places away each looks for others, on either side.
  local edges, sight, order, held = {}, {}, {}, {}
  for i = 1, n do edges[i], sight[i], order[i] = {}, window, i end
  for d = 1, math.min(window, n - 1) do
    for i = 1, n - d do
      local j = i + d
      if (d <= sight[i] or d <= sight[j]) and x[j] - x[i] <= w[i] + w[j] + 2 * EPSILON then
        local value = value_of(i, j)
        if value then
          local worth, of_i, of_j = math.max(value, 0) + EPSILON, edges[i], edges[j]
          of_i[#of_i + 1], of_i[#of_i + 2] = j, worth
          of_j[#of_j + 1], of_j[#of_j + 2] = i, worth
          if #of_i == 2 * enough then sight[i] = d end
          if #of_j == 2 * enough then sight[j] = d end
        end
      end
    end
  end
  first_pairs(order, edges, held, mate)
  augment(n, edges, held, mate, effort)

  -- Who is still free may be paired with somebody further away, or with somebody who had enough without it.
  for i = 1, effort and 0 or n - 1 do
    local j = i + 1
    while not mate[i] and j <= n do
      local asked = j - i <= sight[i] or j - i <= sight[j]
      if not mate[j] and not asked and x[j] - x[i] <= w[i] + w[j] + 2 * EPSILON and value_of(i, j) then
        mate[i], mate[j] = j, i
      end
      j = j + 1
    end
  end
end
