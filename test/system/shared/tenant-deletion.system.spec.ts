import { createPublicKey, randomBytes, verify } from 'node:crypto';
import pg from 'pg';
import twilio from 'twilio';
import { FakeTwilio } from '../../src/fakes/twilio.js';
import { type RunningPlatform } from '../../src/house/running-platform.js';
import { sharedPlatform } from '../../src/house/shared-platform.js';
import { contactAt, dayPlace } from '../../src/races/contacts.js';
import { waitFor } from '../../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 30_000 };
const OURS = '+15005550006';
const WORDING = `Send me offers ${randomBytes(8).toString('hex')}`;
const TEXT = `Hello ${randomBytes(8).toString('hex')}`;

interface Signed {
  readonly receipt: {
    readonly tenantId: string;
    readonly destroyedKeyIds: readonly string[];
    readonly open: readonly string[];
    readonly services: readonly {
      readonly service: string;
      readonly removed: readonly { readonly table: string; readonly rows: number }[];
    }[];
  };
  readonly signature: { readonly keyId: string; readonly value: string };
}

let [platform, fake, db] = [] as unknown as [RunningPlatform, FakeTwilio, pg.Pool];
beforeAll(async () => {
  fake = await new FakeTwilio().start();
  platform = await sharedPlatform();
  db = new pg.Pool({ connectionString: platform.local.databaseUrl, max: 1 });
}, START_MS);
afterAll(async () => {
  await db?.end();
  await fake?.stop();
}, START_MS);

/** A tenant with a person who wrote, who was sent something, whose consent has a proof, and who was suppressed by hand. */
async function live(slug: string) {
  const { id, uuid, key, api } = await platform.admin.openTenant(slug);
  const { accountSid, authToken } = fake;
  const source = await api.call<{ id: string; url: string }>('POST', `/tenants/${slug}/sources`, {
    ...{ name: 'Twilio', provider: 'twilio', secret: authToken },
    settings: { accountSid, apiBaseUrl: fake.url, from: OURS },
  });
  await api.call('PUT', `/tenants/${slug}/sources/${source.id}/credentials`, { accountSid, authToken });
  const address = contactAt(dayPlace(Date.now()), 100_001);
  await api.call('POST', `/tenants/${slug}/consents`, {
    ...{ address, channel: 'sms', status: 'opted_in' },
    proof: { method: 'web_form', wording: WORDING, url: 'https://shop.example/offers' },
  });
  expect((await post(source.url, address)).status).toBe(200);
  const sent = await api.call<{ id: string }>('POST', `/tenants/${slug}/messages`, {
    ...{
      sourceId: source.id,
      to: address,
      channel: 'sms',
      category: 'transactional',
      content: { text: TEXT },
    },
  });
  await waitFor(
    'the message is sent',
    async () =>
      (await api.call<{ state: string }>('GET', `/tenants/${slug}/messages/${sent.id}`)).state === 'sent' ||
      undefined,
    SEEN,
  );
  const { id: suppression } = await api.call<{ id: string }>('POST', `/tenants/${slug}/suppressions`, {
    ...{ address, channel: 'sms' },
  });
  const why = encodeURIComponent(WORDING);
  await api.call('DELETE', `/tenants/${slug}/suppressions/${suppression}?reason=${why}`);
  return { id, uuid, slug, source, address, key };
}

function post(url: string, from: string): Promise<Response> {
  const fields = { MessageSid: `SM${randomBytes(16).toString('hex')}`, Body: TEXT, From: from, To: OURS };
  const signature = twilio.getExpectedTwilioSignature(fake.authToken, url, fields);
  return fetch(url, {
    method: 'POST',
    headers: { 'x-twilio-signature': signature },
    body: new URLSearchParams(fields),
  });
}

/** Every row of the database that names the tenant, as text, by table. As superuser: no policy hides one. */
async function rowsOf(uuid: string): Promise<Map<string, string[]>> {
  const { rows: tables } = await db.query<{ name: string }>(
    `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.columns
     WHERE column_name = 'tenant_id' AND table_schema IN ('events', 'dispatch', 'compliance', 'tenants')
       AND table_name !~ '_p[0-9]{8}$' AND table_name !~ '_default$'`,
  );
  const found = new Map<string, string[]>();
  for (const { name } of tables) {
    const { rows } = await db.query<{ row: string }>(
      `SELECT row_to_json(t)::text AS row FROM ${name} t WHERE tenant_id = $1`,
      [uuid],
    );
    found.set(
      name,
      rows.map(({ row }) => row),
    );
  }
  return found;
}

async function isProven({ receipt, signature }: Signed): Promise<boolean> {
  const { data } = (await (await fetch(`${platform.local.apiUrl}/v1/signing-keys`)).json()) as {
    data: { id: string; publicKeyPem: string }[];
  };
  const { publicKeyPem } = data.find(({ id }) => id === signature.keyId)!;
  const key = createPublicKey(publicKeyPem);
  return verify(null, Buffer.from(JSON.stringify(receipt)), key, Buffer.from(signature.value, 'base64'));
}

test('B6 a deleted tenant leaves nothing that can be read, in no table of no service, and a receipt that proves it', async () => {
  const [gone, stays] = [await live('gone'), await live('stays')];
  // As text, and as bytes are shown.
  const forms = [WORDING, TEXT, gone.address].flatMap((text) => [text, Buffer.from(text).toString('hex')]);
  const PERSONAL = [
    ...['events.raw', 'events.content', 'compliance.consent_proof', 'compliance.consent_signal'],
    ...['compliance.suppression', 'tenants.data_key', 'tenants.secret_key', 'tenants.hash_key'],
    'tenants.record_key',
  ];
  const before = await rowsOf(gone.uuid);
  const present = [...PERSONAL, 'dispatch.command_content'];
  expect(present.filter((table) => before.get(table)!.length === 0)).toEqual([]);
  const saying = (rows: ReadonlyMap<string, string[]>): string[] =>
    [...rows]
      .filter(([, each]) => each.some((row) => forms.some((form) => row.includes(form))))
      .map(([name]) => name);
  // Not while it lives, either: what it says is sealed.
  expect(saying(before)).toEqual([]);

  const deleted = await platform.admin.call<Signed>('DELETE', `/tenants/${gone.slug}`);
  expect(await isProven(deleted)).toBe(true);
  const final = await waitFor(
    'nothing is open',
    async () => {
      const told = await platform.admin.call<Signed>('GET', `/tenant-deletions/${gone.id}`);
      return told.receipt.open.length === 0 ? told : undefined;
    },
    SEEN,
  );
  expect(await isProven(final)).toBe(true);
  expect(final.receipt.destroyedKeyIds).toEqual(deleted.receipt.destroyedKeyIds);
  const tampered = { ...final.receipt, destroyedKeyIds: final.receipt.destroyedKeyIds.slice(1) };
  expect(await isProven({ ...final, receipt: tampered })).toBe(false);
  const removed = final.receipt.services.flatMap(({ service, removed: rows }) =>
    rows.map(({ table }) => `${service} ${table}`),
  );
  expect(removed).toEqual(
    expect.arrayContaining([
      'events raw',
      'events content',
      'dispatcher command_content',
      'compliance consent_proof',
    ]),
  );

  const after = await rowsOf(gone.uuid);
  expect(present.filter((table) => after.get(table)!.length > 0)).toEqual([]);
  expect(saying(after)).toEqual([]);
  const others = await rowsOf(stays.uuid);
  expect(present.filter((table) => others.get(table)!.length === 0)).toEqual([]);

  expect((await post(gone.source.url, gone.address)).status).toBe(404);
  expect((await post(stays.source.url, stays.address)).status).toBe(200);
  const ofTenant = (key: string, path: string) =>
    fetch(`${platform.local.apiUrl}/v1${path}`, { headers: { authorization: `Bearer ${key}` } });
  expect((await ofTenant(platform.local.operatorKey, `/tenants/${gone.slug}`)).status).toBe(404);
  // Its audit log stays, for operators, by the ID that the receipt names.
  const log = await platform.admin.call<{ data: { action: string }[] }>('GET', `/tenants/${gone.id}/audit`);
  expect(log.data.map(({ action }) => action)).toEqual(
    expect.arrayContaining(['tenant.deleted', 'tenant.created']),
  );
  expect(await platform.admin.call('GET', `/tenants/${gone.id}/audit/verify`)).toMatchObject({
    isValid: true,
  });
  expect((await ofTenant(platform.local.operatorKey, `/tenants/${gone.slug}/audit`)).status).toBe(404);
  expect((await ofTenant(platform.local.operatorKey, `/tenants/${gone.slug}/events`)).status).toBe(404);
  expect((await ofTenant(gone.key, `/tenants/${gone.slug}/events`)).status).toBe(401);
  expect((await ofTenant(stays.key, `/tenants/${stays.slug}/events`)).status).toBe(200);
});
