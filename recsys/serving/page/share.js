// The list that is shown, as a call for other tools.

export function asCurl(app, list) {
  const { path, body } = list.call;
  const text = JSON.stringify(body).replaceAll("'", "'\\''");
  return `curl -s '${location.origin}${path}' \\\n  -H 'Authorization: Bearer ${app.api.key}' \\\n  -H 'Content-Type: application/json' \\\n  -d '${text}'`;
}

export function asPython(app, list) {
  const { body, path } = list.call;
  const search = path === "/v1/search";
  const named = {
    where: body.filter, rules: rulesOf(body), explain: true, variant: body.variant, now: body.now,
    workings: body.debug || undefined,
  };
  const more = Object.entries(named).filter(([, value]) => value !== undefined);
  const user = body.anonymous_id ? `guest:${body.anonymous_id}` : (body.user_id ?? null);
  const first = search ? [python(body.query), python(user)] : [python(user)];
  const args = [...first, `k=${body.limit}`, ...more.map(([name, value]) => `${name}=${name === "rules" ? `Rules.of(${python(value)})` : python(value)}`)];
  const imports = named.rules ? "import recsys\nfrom recsys.rules import Rules\n" : "import recsys\n";
  return `${imports}\nwith recsys.Client(${python(location.origin)}, ${python(app.api.key)}) as client:\n`
    + `    result = client.${search ? "search" : "recommend"}(\n        ${args.join(",\n        ")},\n    )\nprint(result)`;
}

function rulesOf(body) {
  if (body.rules) return body.rules;
  return body.diversity ? { diversity: body.diversity } : undefined;
}

function python(value) {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([name, one]) => `${python(name)}: ${python(one)}`).join(", ")}}`;
  return JSON.stringify(value);
}
