import statistics, time
from journeys.knocking import attempt, lock, device_of
def test_t(make_house, from_elsewhere, engine):
    house = make_house(engine, bcrypt_rounds=10, max_login_attempts=100)
    kinds = {}
    known, locked, disabled, refused, mallory = (house.register() for _ in range(5))
    for p in (known, locked, disabled, refused): assert p.tokens
    house.execute("UPDATE users SET status = 'disabled' WHERE username = :name", name=disabled.username)
    house.execute("UPDATE users SET password_refused_since = created_at WHERE username = :name", name=refused.username)
    for _ in range(101): attempt(house, locked, "w", elsewhere=from_elsewhere())
    rows = {"known": known.username, "unknown": "nobody", "locked": locked.username, "disabled": disabled.username, "refused": refused.username}
    times = {k: [] for k in rows}
    for n in range(60):
        for k, name in rows.items():
            e = from_elsewhere(); t=time.perf_counter(); attempt(house, known, "wrong", name=name, elsewhere=e); times[k].append(time.perf_counter()-t)
    m = {k: round(statistics.median(v)*1000,2) for k,v in times.items()}
    print(engine, m, (max(m.values())-min(m.values()))/min(m.values()))
