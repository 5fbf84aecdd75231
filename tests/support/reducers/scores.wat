;; The reducer of the tests: points of players, by messages [kind, player, number].
;;
;;   0  add the number to the player's points        1  refuse, with the number as code
;;   2  trap                                         3  spin
;;   4  take the number of points, or refuse with 7  5  note the points, or refuse with 8
;;   6  add at once, then trap                       7  a new player; fails if there is one
;;
;; The player is at most 255 bytes. A reply is a constant, with a part of the message behind it.
(module
  (import "host" "exec" (func $exec (param i32 i32) (result i64)))
  (import "host" "query" (func $query (param i32 i32 i32 i32) (result i64)))
  (memory (export "memory") 2)

  ;; 0: [0, []], 4: [7, []], 8: [8, []]
  (data (i32.const 0) "\92\00\90\00\92\07\90\00\92\08\90")
  ;; The writes of init, then each kind's, up to where the row begins.
  (data (i32.const 16) "\92\00\93\92\d9\5cCREATE TABLE scores (player BLOB PRIMARY KEY, points INTEGER NOT NULL) STRICT, WITHOUT ROWID\91\90\92\d9vCREATE TABLE notes (player BLOB NOT NULL, points INTEGER NOT NULL, PRIMARY KEY (player, points)) STRICT, WITHOUT ROWID\91\90\92\d90CREATE INDEX scores_by_points ON scores (points)\91\90")
  (data (i32.const 304) "\92\00\91\92\d9gINSERT INTO scores VALUES (?1, ?2) ON CONFLICT (player) DO UPDATE SET points = points + excluded.points\91\92")
  (data (i32.const 416) "\92\00\91\92\d93INSERT INTO scores (player, points) VALUES (?1, ?2)\91\92")
  (data (i32.const 480) "\92\d9IUPDATE scores SET points = points - ?2 WHERE player = ?1 AND points >= ?2\91\92")
  (data (i32.const 560) "\92\d9+SELECT points FROM scores WHERE player = ?1\91")
  (data (i32.const 608) "\92\00\91\92\d9,INSERT OR REPLACE INTO notes VALUES (?1, ?2)\91\92")

  ;; Messages are put into the second page.
  (func (export "alloc") (param $size i32) (result i32)
    (i32.const 65536))

  (func (export "init") (result i64)
    (call $answer (i32.const 16) (i32.const 276)))

  (func $answer (param $at i32) (param $size i32) (result i64)
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32))
      (i64.extend_i32_u (local.get $size))))

  ;; The constant, and behind it so many bytes from elsewhere, at 8192; their size together.
  (func $join (param $at i32) (param $size i32) (param $tail i32) (param $tail_size i32) (result i32)
    (memory.copy (i32.const 8192) (local.get $at) (local.get $size))
    (memory.copy
      (i32.add (i32.const 8192) (local.get $size)) (local.get $tail) (local.get $tail_size))
    (i32.add (local.get $size) (local.get $tail_size)))

  (func (export "reduce") (param $at i32) (param $size i32) (result i64)
    (local $kind i32) (local $row i32) (local $row_size i32) (local $key_size i32) (local $n i32)
    (local $end i32)
    (local.set $kind (i32.load8_u offset=1 (local.get $at)))
    (local.set $row (i32.add (local.get $at) (i32.const 2)))
    (local.set $row_size (i32.sub (local.get $size) (i32.const 2)))
    ;; With the two bytes that say that it is bytes, and how many.
    (local.set $key_size
      (i32.add (i32.load8_u offset=3 (local.get $at)) (i32.const 2)))

    (if (i32.eqz (local.get $kind)) (then
      (return (call $answer (i32.const 8192)
        (call $join
          (i32.const 304) (i32.const 111) (local.get $row) (local.get $row_size))))))

    (if (i32.eq (local.get $kind) (i32.const 1)) (then
      (local.set $n (i32.sub (local.get $row_size) (local.get $key_size)))
      (i32.store8 (i32.const 8192) (i32.const 0x92))
      (memory.copy (i32.const 8193)
        (i32.add (local.get $row) (local.get $key_size)) (local.get $n))
      (i32.store8 (i32.add (i32.const 8193) (local.get $n)) (i32.const 0x90))
      (return (call $answer (i32.const 8192) (i32.add (local.get $n) (i32.const 2))))))

    (if (i32.eq (local.get $kind) (i32.const 2)) (then (unreachable)))

    (if (i32.eq (local.get $kind) (i32.const 3)) (then (loop $again (br $again))))

    (if (i32.eq (local.get $kind) (i32.const 4)) (then
      (local.set $n
        (call $join (i32.const 480) (i32.const 78) (local.get $row) (local.get $row_size)))
      (if (i64.eqz (call $exec (i32.const 8192) (local.get $n)))
        (then (return (call $answer (i32.const 4) (i32.const 3)))))
      (return (call $answer (i32.const 0) (i32.const 3)))))

    (if (i32.eq (local.get $kind) (i32.const 5)) (then
      (local.set $n
        (call $join (i32.const 560) (i32.const 47) (local.get $row) (local.get $key_size)))
      ;; The answer is [[points]], or [].
      (local.set $n (i32.wrap_i64 (call $query
        (i32.const 8192) (local.get $n) (i32.const 16384) (i32.const 64))))
      (if (i32.eq (local.get $n) (i32.const 1))
        (then (return (call $answer (i32.const 8) (i32.const 3)))))
      (local.set $n (i32.sub (local.get $n) (i32.const 2)))
      (local.set $end
        (call $join (i32.const 608) (i32.const 52) (local.get $row) (local.get $key_size)))
      (memory.copy (i32.add (i32.const 8192) (local.get $end)) (i32.const 16386) (local.get $n))
      (return (call $answer (i32.const 8192) (i32.add (local.get $end) (local.get $n))))))

    (if (i32.eq (local.get $kind) (i32.const 6)) (then
      (drop (call $exec (i32.const 8192)
        (call $join (i32.const 307) (i32.const 108) (local.get $row) (local.get $row_size))))
      (unreachable)))

    (if (i32.eq (local.get $kind) (i32.const 7)) (then
      (return (call $answer (i32.const 8192)
        (call $join
          (i32.const 416) (i32.const 59) (local.get $row) (local.get $row_size))))))

    (unreachable))
)
