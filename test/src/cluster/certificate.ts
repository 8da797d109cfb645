import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './kube.js';

/** A certificate with its key, in PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** A certificate for an IP address, signed by an authority, for a day. Needs openssl 3. */
export async function certificateFor(address: string, authority: Pair): Promise<Pair> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-cluster-'));
  const file = (name: string): string => join(folder, name);
  try {
    await writeFile(file('ca.crt'), authority.cert);
    await writeFile(file('ca.key'), authority.key, { mode: 0o600 });
    await run('openssl', [
      ...['req', '-x509', '-days', '1', '-subj', '/CN=receiver', '-addext', `subjectAltName=IP:${address}`],
      ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'],
      ...[
        '-CA',
        file('ca.crt'),
        '-CAkey',
        file('ca.key'),
        '-out',
        file('tls.crt'),
        '-keyout',
        file('tls.key'),
      ],
    ]);
    return { cert: await readFile(file('tls.crt'), 'utf8'), key: await readFile(file('tls.key'), 'utf8') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
