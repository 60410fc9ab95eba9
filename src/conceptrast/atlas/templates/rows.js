{% from "parts.html" import class_row with context %}
window.ROWS = [
{% for line in lines %}
{{ class_row(line) | tojson }},
{% endfor %}
];
