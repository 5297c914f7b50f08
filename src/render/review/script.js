"use strict";
// Everything that is shown goes through textContent: what a host wrote is never markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const say = data.words;
  const CLASSES = { all: ["preserve", "contain", "destroy"], contain: ["contain"], preserve: ["preserve"] };

  // What the reviewer decided. Of a group's action the decision holds for all its hosts that are ticked.
  const groups = data.groups.map((group) => ({
    ...group,
    on: group.hosts.map(() => true),
    why: "",
    out: new Map(),
    many: new Set(),
    reasons: group.actions.map(() => ""),
  }));
  let classes = "all";

  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (key in element && key !== "list") element[key] = value;
      else element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  };
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));

  // An action that is left out takes along what needs it, however far.
  const leaveOut = (group, at) => {
    group.out.set(at, null);
    for (let found = true; found; ) {
      found = false;
      group.actions.forEach((action, other) => {
        const need = action.needs.find((needed) => group.out.has(needed));
        if (need !== undefined && !group.out.has(other)) {
          group.out.set(other, need);
          found = true;
        }
      });
    }
  };
  // What is put back takes along what it needs.
  const putBack = (group, at) => {
    group.out.delete(at);
    group.reasons[at] = "";
    for (const need of group.actions[at].needs) if (group.out.has(need)) putBack(group, need);
    // Left out only because of what is back now.
    for (const [other, because] of [...group.out]) {
      if (because !== null && !group.actions[other].needs.some((need) => group.out.has(need))) putBack(group, other);
    }
  };
  // Components of which one part goes and another stays that can bring it back.
  const halves = (group) => {
    const found = new Map();
    group.actions.forEach((action, at) => {
      if (action.effect !== "destroy") return;
      const half = found.get(action.component) || { goes: false, stays: [] };
      if (!group.out.has(at)) half.goes = true;
      else if (action.brings_back) half.stays.push(action.kind + " " + action.object);
      found.set(action.component, half);
    });
    return [...found.values()].filter((half) => half.goes && half.stays.length > 0 && classes === "all");
  };

  const approvedHosts = () => groups.flatMap((group) => group.hosts.filter((_, at) => group.on[at]).map((host) => [group, host]));
  const counts = () => {
    let actions = 0;
    let left = 0;
    for (const [group] of approvedHosts()) {
      group.actions.forEach((action, at) => {
        if (!action.change || !CLASSES[classes].includes(action.effect)) return;
        if (group.out.has(at)) left += 1;
        else actions += 1;
      });
    }
    return { actions, left, hosts: approvedHosts().filter(([group]) => group.actions.length > 0).length };
  };

  // Control characters and invisible letters do not belong into what is signed.
  const harmless = (text) => text.replace(/[\p{C}\u115f\u1160\u2028\u2029\u3164\uffa0]/gu, " ").replace(/[\ufe00-\ufe0f]/g, "").trim().slice(0, 400);

  const missing = () => {
    const list = [];
    if (approvedHosts().length === 0) list.push(say.no_host);
    if (Date.now() > data.good_until_ms) list.push(say.expired);
    if (harmless(approver.value) === "") list.push(say.no_name);
    for (const group of groups) {
      const any = group.on.some((on) => on);
      if (!group.on.every((on) => on) && harmless(group.why) === "") list.push(fill(say.host_reason, { host: group.hosts[0].shown }));
      if (!any) continue;
      for (const [at, because] of group.out) {
        if (because === null && harmless(group.reasons[at]) === "") list.push(fill(say.action_reason, { action: group.actions[at].object }));
      }
      if (classes === "all") {
        for (const component of group.many_components) if (!group.many.has(component) && !isOut(group, component)) list.push(fill(say.many_unread, { component }));
      }
    }
    return list;
  };
  const isOut = (group, component) => group.actions.every((action, at) => action.component !== component || !action.change || group.out.has(at));

  // The one written form: keys sorted by code points, no space.
  const byCodePoint = (a, b) => {
    const [x, y] = [Array.from(a), Array.from(b)];
    for (let at = 0; at < Math.min(x.length, y.length); at += 1) {
      const difference = x[at].codePointAt(0) - y[at].codePointAt(0);
      if (difference !== 0) return difference;
    }
    return x.length - y.length;
  };
  const canonical = (value) => {
    if (Array.isArray(value)) return "[" + value.map(canonical).join(",") + "]";
    if (value !== null && typeof value === "object") {
      return "{" + Object.keys(value).sort(byCodePoint).map((key) => JSON.stringify(key) + ":" + canonical(value[key])).join(",") + "}";
    }
    return JSON.stringify(value);
  };

  const approval = () => {
    const now = Date.now();
    const hosts = Object.create(null);
    const excluded = new Set();
    const many = Object.create(null);
    const reasons = Object.create(null);
    for (const group of groups) {
      group.hosts.forEach((host, at) => {
        if (!group.on[at]) {
          reasons[host.name] = harmless(group.why);
          return;
        }
        hosts[host.name] = host.hash;
        for (const [action, because] of group.out) {
          excluded.add(host.ids[action]);
          if (because === null) reasons[host.ids[action]] = harmless(group.reasons[action]);
        }
        if (classes === "all") {
          const meant = group.many_components.filter((component) => group.many.has(component));
          if (meant.length > 0) many[host.name] = meant;
        }
      });
    }
    const made = {
      format: data.approval_format,
      plan: data.hash,
      hosts,
      classes: CLASSES[classes],
      excluded: [...excluded].sort(),
      approver: harmless(approver.value),
      means: "review page",
      at_ms: String(now),
      not_after_ms: String(Math.min(now + data.valid_for_ms, data.good_until_ms)),
    };
    if (Object.keys(many).length > 0) made.many = many;
    if (Object.keys(reasons).length > 0) made.reasons = reasons;
    return canonical(made) + "\n";
  };

  const download = (name, text) => {
    const url = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
    make("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };
  const rejection = () => {
    const lines = [fill(say.rejected, { plan: data.hash }), ""];
    for (const group of groups) {
      if (group.why !== "") lines.push("- " + group.hosts.map((host) => host.shown).join(" ") + ": " + harmless(group.why));
      group.reasons.forEach((reason, at) => {
        if (reason !== "") lines.push("- " + group.actions[at].kind + " " + group.actions[at].object + ": " + harmless(reason));
      });
    }
    return lines.join("\n") + "\n";
  };

  const tick = (attributes, label) => make("label", {}, make("input", { type: "checkbox", ...attributes }), " ", label);

  const actionRow = (group, action, at) => {
    const isOut = group.out.has(at);
    const because = group.out.get(at);
    const box = make("input", {
      type: "checkbox",
      checked: !isOut,
      "aria-label": action.kind + " " + action.object,
      onchange: (event) => {
        if (event.target.checked) putBack(group, at);
        else leaveOut(group, at);
        draw();
      },
    });
    const body = make(
      "div",
      {},
      make("span", { className: "kind" }, action.kind),
      " ",
      make("span", { className: "object" }, action.object),
      make("span", { className: "tag " + action.effect }, action.effect_word),
      make("span", { className: "tag" }, action.undo),
    );
    for (const sentence of action.because) body.append(make("div", { className: "why" }, sentence));
    if (action.diff.length > 0) {
      const diff = make("pre", { className: "diff" });
      for (const [sign, number, text] of action.diff) {
        diff.append(make("span", { className: sign === "-" ? "goes" : "" }, sign + " " + String(number).padStart(4) + " | " + text + "\n"));
      }
      body.append(diff);
    }
    body.append(make("details", {}, make("summary", { className: "soft" }, say.details), make("pre", {}, action.account)));
    const row = make("div", { className: "action" + (isOut ? " out" : "") }, action.change ? box : make("span"), body);
    if (isOut && because === null) {
      row.append(make("div", { className: "reason" }, make("input", {
        type: "text",
        value: group.reasons[at],
        placeholder: say.why_left_out,
        oninput: (event) => {
          group.reasons[at] = event.target.value;
          summarise();
        },
      })));
    } else if (isOut) {
      row.append(make("div", { className: "reason soft" }, fill(say.needs_it, { action: group.actions[because].object })));
    }
    return row;
  };

  const groupCard = (group) => {
    const card = make("section", { className: "group" + (group.on.some((on) => on) ? "" : " off") });
    card.append(make("h2", {}, group.title));
    card.append(make("pre", {}, group.about));
    const hosts = make("div", { className: "hosts" });
    group.hosts.forEach((host, at) => {
      hosts.append(tick({
        checked: group.on[at],
        onchange: (event) => {
          group.on[at] = event.target.checked;
          draw();
        },
      }, host.shown));
    });
    card.append(make("div", { className: "soft" }, say.approve_hosts), hosts);
    if (!group.on.every((on) => on)) {
      card.append(make("div", { className: "reason" }, make("input", {
        type: "text",
        value: group.why,
        placeholder: say.why_host_left,
        oninput: (event) => {
          group.why = event.target.value;
          summarise();
        },
      })));
    }
    for (const component of group.many_components) {
      card.append(make("div", { className: "loud" }, tick({
        checked: group.many.has(component),
        onchange: (event) => {
          if (event.target.checked) group.many.add(component);
          else group.many.delete(component);
          draw();
        },
      }, fill(say.many_targets, { component }))));
    }
    for (const half of halves(group)) card.append(make("div", { className: "loud", role: "alert" }, fill(say.brings_back, { objects: half.stays.join(", ") })));
    group.actions.forEach((action, at) => card.append(actionRow(group, action, at)));
    return card;
  };

  const shown = make("div", { id: "groups" });
  const search = make("input", { type: "search", placeholder: say.filter, "aria-label": say.filter, oninput: () => draw() });
  const onlyChanges = make("input", { type: "checkbox", onchange: () => draw() });
  const approver = make("input", { type: "text", size: 30, placeholder: say.name, "aria-label": say.name, oninput: () => summarise() });
  const summary = make("span", { className: "summary" });
  const lacks = make("div", { className: "missing", id: "missing" });
  const button = make("button", { id: "download", onclick: () => download(data.short + ".approval", approval()) }, say.download);
  const reject = make("button", { id: "reject", onclick: () => download(data.short + ".rejected.md", rejection()) }, say.reject);
  const how = make("div", { className: "soft" }, say.sign_with, " ", make("code", {}, data.sign));

  const summarise = () => {
    summary.textContent = fill(say.summary, counts());
    const list = missing();
    lacks.textContent = list.slice(0, 3).join(" ");
    button.disabled = list.length > 0;
  };
  const draw = () => {
    const wanted = search.value.trim().toLowerCase();
    const kept = groups.filter((group) => {
      if (onlyChanges.checked && !group.actions.some((action) => action.change)) return false;
      return wanted === "" || (group.title + "\n" + group.about + "\n" + group.hosts.map((host) => host.shown).join("\n")
        + "\n" + group.actions.map((action) => action.object).join("\n")).toLowerCase().includes(wanted);
    });
    shown.replaceChildren(...kept.map(groupCard));
    if (kept.length === 0) shown.append(make("p", { className: "soft" }, say.nothing_found));
    summarise();
  };
  const all = (on) => {
    for (const group of groups) {
      group.on = group.on.map(() => on);
      if (on) {
        group.out.clear();
        group.why = "";
        group.reasons = group.actions.map(() => "");
      }
    }
    draw();
  };

  const classChoice = ["all", "contain", "preserve"].map((name) => make("label", {}, make("input", {
    type: "radio",
    name: "classes",
    value: name,
    checked: name === classes,
    onchange: () => {
      classes = name;
      draw();
    },
  }), " ", say["class_" + name]));

  const facts = make("dl", { className: "facts" });
  for (const [label, text] of data.facts) facts.append(make("dt", {}, label), make("dd", {}, text));
  const environment = data.environment === null ? null
    : make("details", { id: "environment" }, make("summary", {}, say.environment_text), make("pre", {}, data.environment));
  document.getElementById("page").append(
    make("h1", {}, data.title),
    make("p", { className: "soft" }, say.intro),
    facts,
    ...(environment === null ? [] : [environment]),
    make("div", { className: "bar" }, search, make("label", {}, onlyChanges, " ", say.only_changes),
      make("button", { id: "all", onclick: () => all(true) }, say.tick_all), make("button", { id: "none", onclick: () => all(false) }, say.tick_none)),
    shown,
    make("footer", {}, make("div", { className: "inner" }, make("div", {}, summary), make("div", {}, ...classChoice),
      make("div", { className: "bar" }, approver, button, reject), lacks, how)),
  );
  draw();
  setInterval(summarise, 30000);
})();
