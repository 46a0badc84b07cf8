// The decision explorer: a form, and the decision that explorer-lookup.js finds for what is chosen there. Must not
// decide anything. What is chosen stands in the address (after #), so that a decision can be linked to.
(() => {
  "use strict";

  const folder = new URL(".", document.currentScript.src).href;
  const { Lookup, NONE, read, written } = window.anyintLookup;

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  // --- the data

  async function loadJson() {
    const answer = await fetch(folder + "explorer-data.json");
    if (!answer.ok) throw new Error(`HTTP ${answer.status} for explorer-data.json`);
    return answer.json();
  }

  // A page that was opened as a file may not fetch another one, but may run it.
  function loadScript() {
    return new Promise((resolve, reject) => {
      window.anyintExplorer = resolve;
      const script = element("script", { src: `${folder}explorer-data.js` });
      script.onerror = () => reject(new Error("explorer-data.js is missing"));
      document.head.append(script);
    });
  }

  // --- the form

  const option = (value, text) => element("option", { value }, text);
  const group = (label, options) => (options.length ? [element("optgroup", { label }, ...options)] : []);

  class Form {
    constructor(lookup, changed) {
      this.lookup = lookup;
      this.fields = {};
      const select = (name, label, wide = "") => {
        const field = element("select", { id: `ax-${name}`, name });
        field.addEventListener("change", () => changed(this.asked(name)));
        this.fields[name] = field;
        return element("div", { class: `ax-field ${wide}` }, element("label", { for: field.id }, label), field);
      };
      const radio = (value, label) => {
        const field = element("input", { type: "radio", name: "outcome", value, id: `ax-${value}` });
        field.addEventListener("change", () => changed(this.asked("outcome")));
        this.fields[value] = field;
        return element("label", { for: field.id }, field, label);
      };
      const legend = (text) => element("legend", {}, text);
      const kind = element(
        "div",
        { class: "ax-kind ax-wide", role: "radiogroup", "aria-label": "What came" },
        ...[radio("answer", "an answer"), radio("fault", "an exception")],
      );
      this.node = element(
        "form",
        { "aria-label": "The outcome to decide about" },
        element(
          "fieldset",
          {},
          legend("The request"),
          ...[select("family", "Family"), select("attempt", "Attempt"), select("request", "Request", "ax-wide")],
        ),
        element(
          "fieldset",
          {},
          ...[legend("What came of it"), kind, select("exception", "Exception", "ax-wide")],
          ...[select("status", "HTTP status"), select("retry_after", "Retry-After"), select("body", "Body", "ax-wide")],
        ),
      );
      this.node.addEventListener("submit", (event) => event.preventDefault());
    }

    // What is asked for after one field changed.
    asked(name) {
      const { fields } = this;
      const keys = ["family", "request", "attempt", "status", "retry_after"];
      const asked = Object.fromEntries(keys.map((key) => [key, fields[key].value]));
      const [, what, value] = /^(\w+):(.*)$/.exec(fields.body.value) || [];
      if (what) asked[what] = value;
      if (fields.fault.checked) asked.exception = fields.exception.value || "read_timeout";
      if (name === "outcome") asked.status = NONE;
      const codes = name === "status" && !asked.exception ? this.lookup.codes(asked) : [];
      if (codes.some((it) => it.name === asked.code && !it.here)) asked.code = NONE; // of the status there was
      return asked;
    }

    fill(state) {
      const { data } = this.lookup;
      const family = this.lookup.family(state);
      const answer = !state.exception;
      const statuses = Object.entries(family.statuses).map(([it, phrase]) => option(it, `${it} ${phrase}`));
      const faults = Object.entries(data.faults).map(([kind, text]) => option(kind, `${kind}: ${text}`));
      const hints = data.hints.map((it) => option(it || NONE, it ? `${it} s` : "none"));
      const attempts = data.attempts.map((it) => option(it, `${it} of ${data.attempts.length}`));
      this.set("family", data.families.map((it) => option(it.family, it.label)), state.family);
      this.set("attempt", attempts, state.attempt);
      this.set("request", this.requests(family), state.request);
      this.fields.answer.checked = answer;
      this.fields.fault.checked = !answer;
      this.set("exception", faults, state.exception, !answer);
      const broke = answer ? [] : [option(NONE, "of the answer that broke: not known")];
      this.set("status", [...broke, ...statuses], state.status, answer || state.exception === "body_error");
      this.set("retry_after", hints, state.retry_after || NONE, answer);
      if (answer) this.set("body", this.bodies(state), state.code ? `code:${state.code}` : `body:${state.body}`);
      this.fields.body.parentElement.hidden = !answer;
    }

    // Options that are the same stay, so that nobody loses their place while typing.
    set(name, options, value, shown = true) {
      const field = this.fields[name];
      const made = options.map((it) => it.outerHTML).join("");
      if (field.made !== made) field.replaceChildren(...options);
      field.made = made;
      field.value = value;
      field.parentElement.hidden = !shown;
    }

    requests(family) {
      return [...new Set(family.requests.map((it) => it.operation))].flatMap((operation) => {
        const mine = family.requests.filter((it) => it.operation === operation);
        const label = `${operation}: ${this.lookup.data.operations[operation]}`;
        return group(label, mine.map((it) => option(it.name, it.name)));
      });
    }

    bodies(state) {
      const codes = this.lookup.codes(state);
      const listed = (which) => codes.filter(which).map((it) => option(`code:${it.name}`, it.label));
      return [
        ...group("Good answers", this.lookup.goods(state).map((it) => option(`body:${it.key}`, it.label))),
        ...group(`Error codes, documented at HTTP ${state.status}`, listed((it) => it.here)),
        ...group("Error codes of any status", listed((it) => !it.here && it.any)),
        ...group("Other error codes", listed((it) => !it.here && !it.any)),
        option("body:none", "none, or one that says nothing known"),
      ];
    }
  }

  // --- the decision

  class Result {
    constructor(lookup) {
      this.lookup = lookup;
      this.headline = element("p", { class: "ax-headline", role: "status", "aria-live": "polite" });
      this.rows = element("dl");
      this.compared = element("p", { class: "ax-other" });
      this.command = element("code", { id: "ax-command" });
      this.told = element("span", { role: "status" });
      const button = element("button", { type: "button" }, "Copy");
      button.addEventListener("click", () => this.copy());
      this.node = element(
        "section",
        { class: "ax-result", "aria-label": "The decision" },
        ...[this.headline, this.rows, this.compared],
        element("p", { class: "ax-note" }, "The same on the command line: ", this.told),
        element("div", { class: "ax-command" }, this.command, button),
      );
    }

    show(state) {
      const decision = this.lookup.decision(state);
      const { action } = decision;
      this.node.dataset.action = action;
      this.headline.replaceChildren(element("strong", {}, action), `: ${this.lookup.data.actions[action]}`);
      this.rows.replaceChildren(...this.lines(this.lookup.request(state), decision));
      this.command.textContent = this.lookup.command(state);
      this.told.textContent = "";
      this.compare(state);
    }

    lines(request, { action, cause, certainty, delay, retryAt, source, reason, guidance, user }) {
      const { causes, certainties, sources } = this.lookup.data;
      const line = (label, field, value, ...shown) => [
        element("dt", {}, label),
        element("dd", { "data-field": field, "data-value": value }, ...(shown.length ? shown : [value])),
      ];
      const means = (text) => element("span", { class: "ax-means" }, ` ${text}`);
      const named = (word, text) => [element("code", {}, word), means(text)];
      const longest = action === "backoff" ? " at the longest" : "";
      return [
        ...line("cause", "cause", cause, ...(cause ? named(cause, causes[cause]) : ["none: this is no error"])),
        ...line("certainty", "certainty", certainty, ...named(certainty, certainties[certainty])),
        ...line("delay", "delay", delay, delay === null ? "none" : `${delay} s${longest}`),
        ...line("retry at", "retry_at", retryAt, retryAt === null ? "not known" : `${retryAt} s after the answer`),
        ...line("reason", "reason", reason),
        ...line("guidance", "guidance", guidance),
        ...line("for the user", "user_message", user),
        ...line("source", "source", source, ...named(source, sources[source])),
        ...line("route", "route", request.route, ...named(request.route, request.operation)),
      ];
    }

    compare(state) {
      const other = this.lookup.other(state);
      this.compared.hidden = other === null;
      this.compared.replaceChildren();
      if (other === null) return;
      const { action, certainty, reason } = this.lookup.decision(other);
      const what = this.lookup.request(state).paid ? "safe to repeat" : "a paid create";
      this.compared.append(
        ...[`If this were ${what}, `, element("a", { href: written(other) }, other.request), ": "],
        ...[element("strong", {}, action), ", ", element("code", {}, certainty)],
        `; ${reason.slice(reason.indexOf("; ") + 2)}.`,
      );
    }

    async copy() {
      try {
        await navigator.clipboard.writeText(this.command.textContent);
        this.told.textContent = "copied.";
      } catch {
        getSelection().selectAllChildren(this.command);
        this.told.textContent = "selected, copy it with the keyboard.";
      }
    }
  }

  // --- the page

  class Page {
    constructor(place, data) {
      this.lookup = new Lookup(data);
      this.form = new Form(this.lookup, (asked) => this.choose(asked));
      this.note = element("p", { class: "ax-note", role: "status" });
      this.result = new Result(this.lookup);
      const links = data.examples.map(({ label, state }) => {
        return element("li", {}, element("a", { href: written({ ...state, attempt: "1" }) }, label));
      });
      const examples = element("ul", { class: "ax-examples", "aria-label": "Examples" }, ...links);
      place.classList.add("ax");
      place.replaceChildren(examples, this.form.node, this.note, this.result.node);
      this.open();
    }

    // Somebody chose on the page.
    choose(asked) {
      const [state] = this.lookup.settled(asked);
      history.replaceState(history.state, "", written(state));
      this.show(state, []);
    }

    // Somebody followed a link.
    open() {
      this.show(...this.lookup.settled(read(location.hash)));
    }

    show(state, lost) {
      this.form.fill(state);
      this.result.show(state);
      this.note.textContent = lost.length ? `The link names what is not here: ${lost.join(", ")}.` : "";
    }
  }

  function start() {
    const place = document.getElementById("anyint-explorer");
    if (place === null) return;
    const failed = (error) => {
      place.append(element("p", { role: "alert" }, `The explorer's data could not be loaded: ${error.message}`));
    };
    const loaded = (data) => {
      const page = new Page(place, data);
      addEventListener("hashchange", () => page.open());
    };
    (location.protocol === "file:" ? loadScript() : loadJson()).then(loaded).catch(failed);
  }

  start();
})();
