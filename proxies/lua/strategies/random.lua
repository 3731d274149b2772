-- Any proxy, each with the same chance.
return by_lot(1)
