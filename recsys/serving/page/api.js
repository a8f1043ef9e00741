// Calls of the service. Whatever goes wrong is a Problem, in words that can be shown.

export class Problem extends Error {
  constructor(status, title, detail = "", more = {}) {
    super(detail || title);
    Object.assign(this, { status, title, detail, field: more.field, requestId: more.request_id, errors: more.errors });
  }
}

export class Api {
  constructor(key = "") {
    this.key = key;
  }

  async call(method, path, { params, body, signal } = {}) {
    const url = new URL(path, location.origin);
    for (const [name, value] of Object.entries(params ?? {})) {
      if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
    }
    const headers = { Accept: "application/json" };
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let answer;
    try {
      answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, "The service cannot be reached", "Is it still running? The address may also have changed.");
    }
    const value = await answer.json().catch(() => null);
    if (!answer.ok) {
      throw new Problem(answer.status, value?.title ?? `HTTP ${answer.status}`, value?.detail ?? "", value ?? {});
    }
    if (value === null) throw new Problem(answer.status, "The answer cannot be read", "It is no JSON.");
    return value;
  }

  get(path, params, signal) {
    return this.call("GET", path, { params, signal });
  }

  post(path, body, signal) {
    return this.call("POST", path, { body, signal });
  }

  put(path, body, params) {
    return this.call("PUT", path, { body, params });
  }
}
