// What the decision explorer knows: what is chosen, in an address and out of it, and the look-ups in its data.
// Must not decide anything, and must not know the page: explorer.js shows what is found here.
(() => {
  "use strict";

  const NONE = ""; // of a choice: nothing came, nothing is known

  // --- what is chosen <-> the address

  const KEYS = ["family", "request", "status", "code", "body", "exception", "attempt", "retry_after"];

  function written(state) {
    const plain = (text) => encodeURIComponent(text).replace(/%2F/g, "/").replace(/%20/g, "+").replace(/%3A/g, ":");
    const pairs = KEYS.filter((key) => state[key]).map((key) => `${key}=${plain(state[key])}`);
    return `#${pairs.join("&")}`;
  }

  function read(hash) {
    const found = new URLSearchParams(hash.replace(/^#/, ""));
    return Object.fromEntries(KEYS.map((key) => [key, found.get(key) || NONE]));
  }

  // --- look-ups

  class Lookup {
    constructor(data) {
      this.data = data;
    }

    family(state) {
      return this.data.families.find((it) => it.family === state.family);
    }

    request(state) {
      return this.family(state).requests.find((it) => it.name === state.request);
    }

    good(state) {
      return this.request(state).goods.find((it) => it.key === state.body);
    }

    goods(state) {
      return state.status === "200" ? this.request(state).goods : [];
    }

    // The codes that may come with a status, each with whether it is documented there: a number also at its own status.
    codes(state) {
      const family = this.family(state);
      const here = (it) => it.at.includes(Number(state.status)) || it.name === state.status;
      return family.codes
        .filter((_, place) => family.answers[state.status][place + 1] !== undefined)
        .map((it) => ({ name: it.name, label: it.label, here: here(it), any: !it.at.length }));
    }

    // What was asked for, as far as it is there, and what was asked for in vain.
    settled(asked) {
      const { data } = this;
      const lost = [];
      const pick = (key, values, other) => {
        if (values.includes(asked[key])) return asked[key];
        if (asked[key]) lost.push(asked[key]);
        return other === undefined ? values[0] : other;
      };
      const state = { family: pick("family", data.families.map((it) => it.family)) };
      const family = this.family(state);
      const statuses = Object.keys(family.statuses);
      state.request = pick("request", family.requests.map((it) => it.name));
      state.attempt = pick("attempt", data.attempts.map(String));
      state.exception = pick("exception", Object.keys(data.faults), NONE);
      if (state.exception) {
        state.status = pick("status", state.exception === "body_error" ? statuses : [], NONE);
        return [state, lost];
      }
      state.status = pick("status", statuses, "429");
      state.code = pick("code", this.codes(state).map((it) => it.name), NONE);
      state.body = state.code ? NONE : pick("body", [...this.goods(state).map((it) => it.key), "none"], NONE);
      if (!state.code && !state.body) Object.assign(state, this.usual(state));
      state.retry_after = pick("retry_after", data.hints.filter(Boolean).map(String), NONE);
      return [state, lost];
    }

    // The body that a status comes with, where none was chosen.
    usual(state) {
      const [good] = this.goods(state);
      if (good) return { body: good.key };
      const code = this.codes(state).find((it) => it.here);
      return code ? { code: code.name } : { body: "none" };
    }

    decision(state) {
      const { attempts, hints, cells, decisions } = this.data;
      const family = this.family(state);
      const { kind } = this.request(state);
      const attempt = attempts.indexOf(Number(state.attempt));
      if (state.exception) {
        const [key, head] = state.status
          ? [`${state.exception} ${state.status}`, `${state.exception} in the body of an HTTP ${state.status}`]
          : [state.exception, state.exception];
        return this.spelled(decisions[cells[family.columns[family.exceptions[key]][kind]][attempt]], head);
      }
      const good = this.good(state);
      const place = state.code ? family.codes.findIndex((it) => it.name === state.code) + 1 : 0;
      const cell = cells[good ? good.cell : family.columns[family.answers[state.status][place]][kind]];
      const hint = hints.findIndex((it) => String(it || NONE) === state.retry_after);
      const head = `HTTP ${state.status}${place ? ` ${family.codes[place - 1].said}` : ""}`;
      return this.spelled(decisions[cell[attempt * hints.length + hint]], head);
    }

    // A reason that begins with a colon goes on after what came (its head).
    spelled([outcome, ...numbers], head) {
      const { outcomes, texts, words } = this.data;
      const [action, cause, certainty, delay, retryAt, source] = outcomes[outcome];
      const [said, guidance, user] = numbers.map((it) => texts[it].map((word) => words[word]).join(" "));
      const reason = said.startsWith(":") ? head + said : said;
      return { action, cause, certainty, delay, retryAt, source, reason, guidance, user };
    }

    // The same outcome of another request: a paid create, or one that is safe to repeat.
    other(state) {
      const { other } = this.request(state);
      return other === null || this.good(state) ? null : { ...state, request: this.family(state).requests[other].name };
    }

    command(state) {
      const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'"'"'`)}'`);
      const request = this.request(state);
      const code = this.family(state).codes.find((it) => it.name === state.code);
      const body = code ? code.bodies[state.status] || code.bodies[0] : (this.good(state) || {}).body;
      const words = [
        ...["anyint-resilience", "explain", request.method, request.url],
        ...[state.status, state.exception].filter(Boolean),
        ...(request.switched ? ["--operation", request.operation] : []),
        ...(state.family === "seedance" ? ["--seedance"] : []),
        ...(state.retry_after ? ["--header", `Retry-After: ${state.retry_after}`] : []),
        ...(body ? ["--body", body] : []),
        ...(state.attempt === "1" ? [] : ["--attempt", state.attempt]),
      ];
      return words.map(quoted).join(" ");
    }
  }

  window.anyintLookup = { Lookup, NONE, read, written };
})();
