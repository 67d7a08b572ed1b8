"""The template of the report: one page, no requests, from 360 pixels up, light or dark."""

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{ target.name }}: a mercer report</title>
<style>
:root { color-scheme: light dark; --ink: #1c2126; --soft: #5c646d; --paper: #fbfbfa; --card: #fff;
 --line: #e2e4e7; --accent: #1f6fc9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e9ec; --soft: #9aa2ab; --paper: #121417;
 --card: #1a1d21; --line: #2e3339; --accent: #6cb0f5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 1rem; background: var(--paper); color: var(--ink);
 font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.15rem; margin: 0 0 .5rem; }
p { margin: .3rem 0; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
section, figure { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
 padding: .9rem; margin: 1rem 0 0; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr));
 gap: 1rem; margin-top: 1rem; }
.grid figure { margin: 0; }
figure img { display: block; width: 100%; height: auto; max-width: 34rem; margin: 0 auto .4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
 font-size: .95rem; overflow-wrap: normal; }
th, td { text-align: right; padding: .35rem .45rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
th { color: var(--soft); font-weight: 500; }
tr:last-child td { border-bottom: 0; }
.ours td:first-child, .best { font-weight: 700; }
.best { color: var(--accent); }
.bar { display: grid; grid-template-columns: minmax(5rem, 11rem) 1fr 4.2rem; gap: .6rem;
 align-items: center; margin: .3rem 0; font-size: .92rem; }
.bar i { display: block; height: .8rem; min-width: 1px; border-radius: .2rem;
 background: var(--accent); }
.bar b { font-weight: 400; text-align: right; font-variant-numeric: tabular-nums; }
pre { white-space: pre-wrap; margin: 0; font: .88rem/1.45 ui-monospace, monospace; }
@media (max-width: 32rem) { body { padding: .6rem; } section, figure { padding: .7rem; }
 .extra { display: none; } table { font-size: .8rem; } th, td { padding: .3rem .22rem; } }
ul { margin: 0; padding-left: 1.1rem; }
</style>
</head>
<body>
<h1>{{ target.task | capitalize }} of “{{ target.name }}”</h1>
<p class="soft">{{ fit.request.data.name }} ·
{{ "{:,}".format(fit.split.train | length) }} rows to fit,
{{ "{:,}".format(fit.split.calibration | length) }} to set intervals,
{{ "{:,}".format(fit.split.test | length) }} held out</p>

<section>
<h2>Scores on the held-out rows</h2>
<div class="wide"><table>
<thead><tr><th>model</th>{% for header in headers %}<th>{{ header }}</th>{% endfor %}
<th>fit,&nbsp;s</th><th class="extra">predict,&nbsp;s</th></tr></thead>
<tbody>{% for row in rows %}
<tr{% if loop.first %} class="ours"{% endif %}><td>{{ row.name }}</td>
{%- for cell, best in row.cells -%}
<td{% if best %} class="best"{% endif %}>{{ cell }}</td>{% endfor -%}
<td>{{ row.fit }}</td><td class="extra">{{ row.predict }}</td></tr>{% endfor %}
</tbody></table></div>
<p class="soft">The same rows and features for all; the best is in colour. {{ interval }}</p>
</section>

<div class="grid">{% for picture in pictures %}
<figure><h2>{{ picture.heading }}</h2>
<img src="{{ picture.source }}" alt="{{ picture.heading }}: {{ picture.caption }}">
<figcaption>{{ picture.caption }}</figcaption></figure>{% endfor %}
</div>

<section>
<h2>What drove the prediction</h2>
{% for driver in drivers %}<div class="bar"><span>{{ driver.name }}</span>
<i style="width: {{ driver.share }}%"></i><b>{{ driver.rise }}</b></div>
{% endfor %}
<p class="soft">Rise in error on held-out rows, in {{ unit }}, when the column is shuffled.
Columns that say the same thing share their importance.</p>
</section>

<section>
<h2>What was chosen, and why</h2>
<pre>{{ fit.model.record.explain or "The estimator says nothing." }}</pre>
</section>

<section>
<h2>On the way</h2>
<ul>{% for note in fit.notes %}<li>{{ note }}</li>{% endfor %}</ul>
</section>

<section>
<h2>Columns</h2>
<div class="wide"><table>
<thead><tr><th>column</th><th>used as</th></tr></thead>
<tbody>{% for column in fit.columns %}
<tr><td>{{ column.name }}</td>
<td>{{ column.kind or ("not used: " + column.reason) }}</td></tr>{% endfor %}
</tbody></table></div>
</section>

<section>
<h2>Seconds</h2>
<div class="wide"><table>
<thead><tr><th>step</th><th>s</th></tr></thead>
<tbody>{% for step, time in seconds.items() %}
<tr><td>{{ step }}</td><td>{{ time }}</td></tr>{% endfor %}
</tbody></table></div>
</section>
<p class="soft">mercer {{ version }}</p>
</body>
</html>
"""
