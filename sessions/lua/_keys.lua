-- Fragment: every key of the pool; those that an id completes end with a colon.
-- KEYS: 1 what all keys of the pool begin with, 2 one of them: of two, Redis knows that
--       not all are there while a Cluster moves them to another node, and refuses
-- Gives: a local for each attribute of Keys in limpet/keys.py, from which it is made.

local tag = KEYS[1]
--@insert keys
