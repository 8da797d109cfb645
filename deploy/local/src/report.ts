import { type DemoRun, type DemoState } from './demo.js';
import { type DemoSink } from './demo-sink.js';
import { type LocalFile } from './platform.js';

const ms = (value: number): string => `${value.toFixed(1).padStart(8)} ms`;

/** The demo's story in lines: how each request was answered, then each event's way with milliseconds. */
export function demoLines(run: DemoRun, sink: DemoSink): string[] {
  const lines = ['', 'What Twilio would have posted, signed, through the real front door:'];
  for (const { title, status, ackMs } of run.steps)
    lines.push(`  ${title.padEnd(28)} answered ${status} after ${ms(ackMs).trim()}`);
  for (const { id, type, signal, entries } of run.events) {
    lines.push('', `${id}  ${type}${signal === null ? '' : `  (${signal})`}`);
    let before = 0;
    for (const { stage, detail, sinceReceivedMs } of entries) {
      lines.push(
        `  ${ms(sinceReceivedMs)}  ${ms(sinceReceivedMs - before).replace(/^( *)/, '$1+')}  ${stage.padEnd(11)} ${detail}`,
      );
      before = sinceReceivedMs;
    }
  }
  const signed = sink.deliveries.filter(({ isSigned }) => isSigned).length;
  lines.push(
    '',
    `The demo's destination got ${sink.deliveries.length} deliveries, ${signed} with a valid signature: ${summary(sink)}.`,
  );
  if (run.suppressions > 0) lines.push('The contact that wrote STOP is on the suppression list.');
  return lines;
}

function summary(sink: DemoSink): string {
  const counts = new Map<string, number>();
  for (const { type } of sink.deliveries) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts].map(([type, count]) => (count === 1 ? type : `${count} × ${type}`)).join(', ');
}

/** Where everything is. */
export function placeLines(local: LocalFile, dataDir: string): string[] {
  return [
    '',
    `REST API      ${local.apiUrl}   (OpenAPI: /openapi.json, page: /docs)`,
    `Intake        ${local.ingressUrl}/in/{tenant}/{source}`,
    `Operator key  ${local.operatorKey}`,
    `Data          ${dataDir} (logs/, local.json with all of this)`,
  ];
}

/** Lines that can be pasted into a shell. */
export function tryLines(local: LocalFile, demo: DemoState): string[] {
  return [
    `Demo tenant   ${demo.tenant}, key ${demo.apiKey}`,
    '',
    'Try it by hand; paste this:',
    `  URL=${demo.sourceUrl}; MSG=SM$(openssl rand -hex 16)`,
    `  SIG=$(printf '%s' "\${URL}BodyHelloFrom+12125550123MessageSid\${MSG}To+15005550006" | openssl dgst -sha1 -hmac ${demo.authToken} -binary | openssl base64)`,
    `  curl -i "$URL" -H "X-Twilio-Signature: $SIG" --data-urlencode Body=Hello --data-urlencode From=+12125550123 --data-urlencode MessageSid=$MSG --data-urlencode To=+15005550006`,
    `  curl -s -H 'Authorization: Bearer ${demo.apiKey}' '${local.apiUrl}/v1/tenants/${demo.tenant}/events?limit=1'`,
  ];
}
