-- The best matching between two sides of a line, exactly, where every pair of value >= 0 may be made. O(n log n).
--
-- Places 1..n, x ascending; colour[i] = 1 or 2, the side; w[i] >= 0. Answers two arrays of places, x ascending: the
-- k-th of one is to be paired with the k-th of the other. Maximises the total value, then the number of pairs.
--
-- The best value of the places so far is concave in how many of side 1 are open beyond those of side 2. The two heaps
-- hold the slopes of that curve: heap c what the next place of the other colour earns by taking from it, first in its
-- own x, so that no key changes when x moves on. A taken place may be given back, at the price of its key.
local function two_heaps(n, x, w, colour)
  local keys, items, sizes = { {}, {} }, { {}, {} }, { 0, 0 }

  local function push(c, key, item)
    local ks, its, at = keys[c], items[c], sizes[c] + 1
    sizes[c] = at
    while at > 1 do
      local up = (at - at % 2) / 2
      if ks[up] >= key then break end
      ks[at], its[at], at = ks[up], its[up], up
    end
    ks[at], its[at] = key, item
  end

  -- Puts an entry in the place of the top one.
  local function replace(c, key, item)
    local ks, its, size, at = keys[c], items[c], sizes[c], 1
    while true do
      local down = 2 * at
      if down > size then break end
      if down < size and ks[down + 1] > ks[down] then down = down + 1 end
      if ks[down] <= key then break end
      ks[at], its[at], at = ks[down], its[down], down
    end
    ks[at], its[at] = key, item
  end

  local heap = {}
  for i = 1, n do
    local c, at = colour[i], x[i]
    local o, mine = 3 - c, w[i] + EPSILON / 2
    local key = keys[o][1]
    if key and mine + key - at >= 0 then
      local other = items[o][1]
      replace(o, at - mine, i)
      push(c, 2 * at - key, other)
      heap[other], heap[i] = c, o
    else
      push(c, at + mine, i)
      heap[i] = c
    end
  end

  local chosen = { {}, {} }
  for i = 1, n do
    local c = colour[i]
    if heap[i] ~= c then
      local list = chosen[c]
      list[#list + 1] = i
    end
  end
  return chosen[1], chosen[2]
end
