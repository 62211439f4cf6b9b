"""The booth: a page that gives a photo back in an artist's style, the studio's pages, and the API.

`app.py` puts the parts together and `serve.py` runs them; `fewshot web` is the command.

=================  ==================================================================================
`settings.py`      what a booth is told when it starts
`shelf.py`         which styles are on offer now, and their weights; `offers.py` what they are
`pool.py`          the engines: one model, several styles, a bounded queue, requests drawn together
`booth.py`         from the bytes of a photo to the bytes of its drawing
`photos.py`        pictures in and out
`uploads.py`       forms with pictures, in memory only and within limits; `forms.py` what they may hold
`problems.py`      every failure as RFC 9457 says it
`guard.py`         security headers, the PIN and its back-off
`metrics.py`       what Prometheus reads
`api.py`           `/api/v1`
`live.py`          the live filter, over a WebSocket
`pages.py`         what people see; `studio.py` the catalogue's pages; `words.py` in three languages
`tls.py`           a certificate of its own, because phones give the camera only to https
=================  ==================================================================================

Needs the extra `web`. May import the rest of `fewshot`; only `fewshot.cli` imports it. Photos are kept in
memory, for as long as their answer takes.
"""
