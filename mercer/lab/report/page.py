"""The template of the report: one page, no requests, no scripts, light or dark."""

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ title }}: a search for kernels</title>
<style>
:root { color-scheme: light dark; --ink: #1c2126; --soft: #5c646d; --paper: #fbfbfa; --card: #fff;
 --line: #e2e4e7; --accent: #1f6fc9; --good: #2f9460; --bad: #c8553d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e9ec; --soft: #9aa2ab; --paper: #121417;
 --card: #1a1d21; --line: #2e3339; --accent: #6cb0f5; --good: #5cc48d; --bad: #ec8b74; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: var(--paper); color: var(--ink);
 font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.3rem; margin: 1.6rem 0 .3rem; }
h3 { font-size: 1.05rem; margin: 0 0 .5rem; } h4 { font-size: .95rem; margin: .8rem 0 .2rem; }
p { margin: .3rem 0; } a { color: var(--accent); }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
section, figure { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
 padding: .9rem; margin: 1rem 0 0; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr));
 gap: 1rem; } .grid > * { min-width: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
 font-size: .92rem; overflow-wrap: normal; }
th, td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child, .text { text-align: left; }
th { color: var(--soft); font-weight: 500; } tr:last-child td { border-bottom: 0; }
details { border-top: 1px solid var(--line); padding: .25rem 0; }
details details { margin-left: 1rem; } summary { cursor: pointer; }
:target { outline: 2px solid var(--accent); }
pre { white-space: pre-wrap; margin: .3rem 0; padding: .6rem; border-radius: .4rem;
 background: var(--paper); font: .82rem/1.4 ui-monospace, monospace; max-height: 40rem;
 overflow: auto; }
.right-word { color: var(--good); } .wrong-word { color: var(--bad); }
svg { display: block; width: 100%; height: auto; }
svg .word { font: 12px system-ui, sans-serif; fill: var(--soft); }
svg path, svg line { fill: none; stroke: var(--soft); stroke-width: 1; }
svg .grid { stroke: var(--line); } svg .edge { stroke: var(--soft); opacity: .35; }
svg .descent { stroke: var(--accent); stroke-width: 2; }
svg .best, svg .roof { stroke: var(--accent); stroke-width: 2; }
svg .right { fill: var(--good); } svg .wrong { fill: var(--bad); }
svg .waiting { fill: var(--soft); } svg .best-dot { fill: var(--accent); }
.bar { display: grid; grid-template-columns: minmax(5rem, 8rem) 1fr 3rem; gap: .6rem;
 align-items: center; margin: .3rem 0; font-size: .92rem; }
.bar i { display: block; height: .8rem; min-width: 1px; border-radius: .2rem;
 background: var(--bad); } .bar b { font-weight: 400; text-align: right; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="soft">{{ runs | length }} {{ "search" if runs | length == 1 else "searches" }} for fast
kernels. Every candidate was checked against its problem's reference before it was timed.</p>
{% for run in runs %}
<h2 id="r{{ run.number }}">{{ run.problem }}</h2>
<p>{% if run.best %}Best: <a href="#{{ run.best.anchor }}">candidate {{ run.best.number }}</a>,
<b>{{ run.best.speedup }} times</b> as fast as {{ run.baseline }}.
{% else %}No candidate was right yet.{% endif %}
{{ run.candidates }} {{ "candidate" if run.candidates == 1 else "candidates" }},
{{ run.failed }} of them failed, in {{ run.seconds }} s.
{{ run.stopped }}</p>
<p class="soft">Run {{ run.number }}, started {{ run.started }} UTC; {{ run.settings }}, seed
{{ run.seed }}{% if run.device %}; on {{ run.device }}, size {{ run.size }}{% endif %}</p>

{% if run.leaders %}<section><h3>Leaderboard</h3><div class="wide"><table>
<thead><tr><th>candidate</th><th>speed-up</th><th>us a call</th><th>% of the roofline</th>
<th class="text">language</th><th class="text">parents</th></tr></thead>
<tbody>{% for e in run.leaders %}
<tr><td><a href="#{{ e.anchor }}">{{ e.number }}</a></td><td>{{ e.speedup }}</td>
<td>{{ e.microseconds }}</td><td>{{ e.roofline }}</td><td class="text">{{ e.language }}</td>
<td class="text">{% for p in e.parents %}<a href="#{{ p.anchor }}">{{ p.number }}</a>
{% endfor %}</td></tr>{% endfor %}
</tbody></table></div></section>{% endif %}

<div class="grid">
{% if run.progress %}<figure><h3>Speed-up over time</h3>{{ run.progress }}
<figcaption>Each right candidate, and the best so far.</figcaption></figure>{% endif %}
{% if run.ancestry %}<figure><h3>Lineage</h3>{{ run.ancestry }}
<figcaption>Lines lead from parents to children, bold ones to the best. Failures are at the
bottom.</figcaption></figure>{% endif %}
<figure><h3>Roofline</h3>{% if run.roofline %}{{ run.roofline }}
<figcaption>The line is what the device allows: {{ run.floor }} us a call at least. Each dot is a
kernel at the work that no program can spare.</figcaption>
{% else %}<p class="soft">{{ run.no_roofline }}</p>{% endif %}</figure>
{% if run.failures %}<figure><h3>Failures by kind</h3>{% for f in run.failures %}
<div class="bar"><span>{{ f.kind }}</span><i style="width: {{ f.share }}%"></i>
<b>{{ f.count }}</b></div><p class="soft">such as <a href="#{{ f.anchor }}">{{ f.number }}</a>:
{{ f.reason }}</p>{% endfor %}</figure>{% endif %}
</div>

<section><h3>All candidates</h3>{% for e in run.entries %}
<details id="{{ e.anchor }}"><summary>{{ e.number }}:
{% if e.speedup %}<span class="right-word">{{ e.speedup }}x</span>
{%- elif e.failure %}<span class="wrong-word">{{ e.failure }}</span>{{ " " }}{{ e.reason }}
{%- else %}not judged{% endif %}</summary>
<p>{{ e.language }}{% if e.microseconds %}, {{ e.microseconds }} us a call, the baseline
{{ e.baseline }} us{% endif %}{% if e.roofline %}, {{ e.roofline }} % of the roofline{% endif %}{%
if e.reason %}; {{ e.stage }}: {{ e.reason }}{% endif %}</p>
<p class="soft">{% if e.parents %}Made from {% for p in e.parents %}<a
href="#{{ p.anchor }}">{{ p.number }}</a> {% endfor %}{% else %}Without a parent{% endif %}{%
if e.children %}; parent of {% for c in e.children %}<a href="#{{ c.anchor }}">{{ c.number }}</a>
{% endfor %}{% endif %}; island {{ e.island }}; SHA-256 {{ e.digest }}</p>
<h4>Text</h4><pre>{{ e.source }}</pre>
{% if e.schedule %}<h4>Schedule</h4><pre>{{ e.schedule }}</pre>{% endif %}
{% if e.dialogue %}<details><summary>Prompt to {{ e.dialogue.model }}</summary>
<pre>{{ e.dialogue.prompt }}</pre></details>
<details><summary>Answer, {{ e.dialogue.tokens }} tokens</summary>
{% if e.dialogue.reasoning %}<h4>Reasoning</h4><pre>{{ e.dialogue.reasoning }}</pre>
<h4>Answer</h4>{% endif %}<pre>{{ e.dialogue.text }}</pre></details>{% endif %}
</details>{% endfor %}
</section>
{% endfor %}
<p class="soft">Written by mercer lab report.</p>
</body>
</html>
"""
