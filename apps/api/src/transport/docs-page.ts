type Json = Record<string, unknown>;

const escape = (text: unknown): string =>
  String(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid #d0d7de}details{border:1px solid #d0d7de;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}code,pre{font:13px/1.45 ui-monospace,monospace}pre{background:#f6f8fa;padding:.7rem;border-radius:6px;overflow:auto}
.m{display:inline-block;min-width:4.2rem;font-weight:700}table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}pre{background:#161b22}details,h2{border-color:#30363d}a{color:#6cb6ff}}`;

/** The OpenAPI document as one readable page: no script, nothing loaded from elsewhere. */
export function docsPage(document: Json): string {
  const info = document['info'] as Json;
  const operations = Object.entries(document['paths'] as Record<string, Record<string, Json>>).flatMap(
    ([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const tags = (document['tags'] as { name: string }[]).map(({ name }) => name);
  const sections = tags.map((tag) => {
    const own = operations.filter(({ operation }) => (operation['tags'] as string[]).includes(tag));
    return `<h2 id="${escape(tag)}">${escape(tag)}</h2>${own.map(section).join('')}`;
  });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escape(info['title'])}</title><style>${STYLE}</style>
<h1>${escape(info['title'])} ${escape(info['version'])}</h1><p>${escape(info['description'])}</p>
<p>The contract: <a href="/openapi.json">openapi.json</a>. Send <code>Authorization: Bearer &lt;key&gt;</code>.</p>
<p>${tags.map((tag) => `<a href="#${escape(tag)}">${escape(tag)}</a>`).join(' · ')}</p>${sections.join('')}</html>`;
}

function section({ path, method, operation }: { path: string; method: string; operation: Json }): string {
  const parameters = (operation['parameters'] as Json[]).map(
    (parameter) =>
      `<tr><td><code>${escape(parameter['name'])}</code></td><td>${escape(parameter['in'])}${parameter['required'] === true ? ', required' : ''}</td><td>${escape(parameter['description'] ?? (parameter['schema'] as Json)['description'] ?? '')}</td></tr>`,
  );
  const body = schemaIn(operation['requestBody'] as Json | undefined);
  const responses = Object.entries(operation['responses'] as Record<string, Json>).map(
    ([status, response]) =>
      `<tr><td><code>${status}</code></td><td>${escape(response['description'])}</td></tr>`,
  );
  const success = Object.entries(operation['responses'] as Record<string, Json>).find(([status]) =>
    status.startsWith('2'),
  )?.[1];
  return `<details><summary><span class="m">${method.toUpperCase()}</span> <code>${escape(path)}</code> — ${escape(operation['summary'])}</summary>
<p>${escape(operation['description']).replaceAll(/`([^`]+)`/g, '<code>$1</code>')}</p>
${parameters.length > 0 ? `<table>${parameters.join('')}</table>` : ''}${body === '' ? '' : `<p>Body</p>${body}`}${schemaIn(success) === '' ? '' : `<p>Answer</p>${schemaIn(success)}`}
<table>${responses.join('')}</table></details>`;
}

function schemaIn(holder: Json | undefined): string {
  const content = Object.values((holder?.['content'] as Record<string, Json> | undefined) ?? {}).at(0);
  return content === undefined ? '' : `<pre>${escape(JSON.stringify(content['schema'], null, 2))}</pre>`;
}
