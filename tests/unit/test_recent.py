from gltf_render_server.recent import Recent


def test_a_cache_keeps_what_was_used_last():
    cache = Recent(most_bytes=10)
    made = []

    def make(text):
        return lambda: made.append(text) or text

    for text in ("aaaa", "bbbb", "aaaa", "cccc"):
        assert cache.get(text[0], make(text), len) == text
    assert made == ["aaaa", "bbbb", "cccc"]
    assert cache.get("a", make("again"), len) == "aaaa"
    assert cache.get("b", make("bbbb"), len) == "bbbb"
    assert made == ["aaaa", "bbbb", "cccc", "bbbb"]
    assert cache.get("x", make("x" * 50), len) == "x" * 50
    assert cache.get("x", make("again"), len) == "x" * 50


def test_no_more_than_the_most_are_kept_and_what_was_found_stays():
    cache = Recent(most_bytes=100, most=2)
    for key in "ab":
        cache.keep(key, key, 1)
    assert cache.find("a") == "a"
    cache.keep("c", "c", 1)
    assert [key in cache for key in "abc"] == [True, False, True]
    cache.clear()
    assert cache.find("a") is None
    cache.keep("d", "d", 100)
    cache.keep("e", "e", 0)
    assert "d" in cache, "what was cleared takes no room"


def test_what_no_round_has_used_in_a_while_is_forgotten_with_its_bytes():
    kept = Recent(100)
    for key in "abc":
        kept.keep(key, key, 30)
    for _ in range(40):
        kept.begin_round()
        assert [kept.find(key) for key in "ac"] == ["a", "c"]
    assert "b" not in kept
    kept.keep("d", "d", 40)
    assert all(key in kept for key in "acd")
    for _ in range(40):
        kept.begin_round()
    assert not any(key in kept for key in "abcd")
