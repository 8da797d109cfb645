import { AppError } from '@posthorn/errors/app-error.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { ACTOR, CALL, House, type Instance, makeDestination, makeSource, makeTenant } from './harness.js';

let house: House;
let tenants: Instance;
beforeAll(async () => {
  house = await House.open('tenant-life');
  tenants = await house.start();
});
afterAll(() => house.close());

const errorOf = (call: Promise<unknown>): Promise<AppError> =>
  call.then(
    () => {
      throw new Error('nothing was thrown');
    },
    (error: unknown) => {
      if (error instanceof AppError) return error;
      throw error;
    },
  );

test('B9 a tenant, its first key, and what the key may do', async () => {
  const { id, slug, token, apiKey, applied } = await makeTenant(tenants, 'acme');
  expect(applied.pending).toEqual([]);
  for (const tenant of [id, slug])
    expect((await tenants.admin.getTenant({ tenant }, CALL)).tenant).toMatchObject({
      id,
      slug,
      status: 'active',
      country: 'AT',
    });
  expect(await tenants.principals.authenticate({ token }, CALL)).toMatchObject({
    keyId: apiKey.id,
    kind: 'tenant',
    tenantId: id,
    tenantSlug: slug,
  });
  expect(apiKey.scopes).toContain('sources:write');
  const { rows } = await house.db.query<{ shards: number[] }>(
    `SELECT shards FROM tenants.tenant WHERE slug = 'acme'`,
  );
  expect(new Set(rows[0]!.shards).size).toBe(4);
});

test('B9 keys: scopes, expiry, deletion, and the last use', async () => {
  const { id } = await makeTenant(tenants);
  const expiresAtMs = tenants.process.clock.nowMs() + 700;
  const made = await tenants.admin.createApiKey(
    { actor: ACTOR, tenant: id, name: 'short', scopes: ['events:read'], expiresAtMs },
    CALL,
  );
  const authenticate = (token: string) => tenants.principals.authenticate({ token }, CALL);
  expect(await authenticate(made.secret)).toMatchObject({ keyId: made.apiKey!.id, scopes: ['events:read'] });
  await eventually(async () => {
    const { apiKeys } = await tenants.admin.listApiKeys({ tenant: id, limit: 0, cursor: '' }, CALL);
    expect(apiKeys.find((key) => key.id === made.apiKey!.id)!.lastUsedAtMs).toBeGreaterThan(0);
  });
  await eventually(async () => expect((await authenticate(made.secret)).keyId).toBe(''));
  const other = await tenants.admin.createApiKey(
    { actor: ACTOR, tenant: id, name: 'other', scopes: ['events:read'], expiresAtMs: 0 },
    CALL,
  );
  expect((await authenticate(other.secret)).keyId).toBe(other.apiKey!.id);
  await tenants.admin.deleteApiKey({ actor: ACTOR, tenant: id, id: other.apiKey!.id }, CALL);
  expect((await authenticate(other.secret)).keyId).toBe('');
  for (const token of ['', 'phk_wrong', 'x'.repeat(5_000)])
    expect((await authenticate(token)).keyId).toBe('');
  expect(
    await errorOf(
      tenants.admin.createApiKey(
        { actor: ACTOR, tenant: id, name: '', scopes: ['everything'], expiresAtMs: 1 },
        CALL,
      ),
    ),
  ).toMatchObject({
    code: 'request.invalid',
    fields: [{ path: 'name' }, { path: 'scopes.0' }, { path: 'expiresAt' }],
  });
});

test('a key of another tenant cannot be deleted', async () => {
  const [one, two] = [await makeTenant(tenants), await makeTenant(tenants)];
  const error = await errorOf(
    tenants.admin.deleteApiKey({ actor: ACTOR, tenant: one.id, id: two.apiKey.id }, CALL),
  );
  expect(error.code).toBe('api_key.not_found');
});

test('the operator key of the file works, is installed once, and is replaced when the file changes', async () => {
  const token = `phop_${'o'.repeat(43)}`;
  expect(await tenants.principals.authenticate({ token }, CALL)).toMatchObject({
    kind: 'operator',
    tenantId: '',
    scopes: [],
  });
  const again = await house.start();
  const { rows } = await house.db.query('SELECT name FROM tenants.operator_key');
  expect(rows).toHaveLength(1);
  await again.close();
});

test('of a race for a slug one wins', async () => {
  const create = () => makeTenant(tenants, 'contested');
  const results = await Promise.allSettled([create(), create(), create(), create()]);
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const result of results)
    if (result.status === 'rejected')
      expect(result.reason).toMatchObject({ code: 'tenant.slug_taken', fields: [{ path: 'slug' }] });
});

test('every wrong field is named, and nothing is made', async () => {
  const request = { actor: ACTOR, slug: 'Bad Slug', name: '', country: 'XX', timeZone: 'Nowhere' };
  const error = await errorOf(tenants.admin.createTenant(request, CALL));
  expect(error.code).toBe('request.invalid');
  expect(error.fields.map(({ path }) => path)).toEqual(['slug', 'name', 'country', 'timeZone']);
  const withoutActor = {
    ...request,
    slug: 'fine',
    name: 'x',
    country: 'AT',
    timeZone: 'UTC',
    actor: undefined,
  };
  expect((await errorOf(tenants.admin.createTenant(withoutActor, CALL))).fields[0]?.path).toBe('actor.id');
});

test('B7 a source: create, rotate with overlap, revoke, rotate without, delete', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const source = await makeSource(tenants, tenant);
  const rotate = (secret: string, overlapSeconds: number) =>
    tenants.admin.rotateSourceSecret(
      { actor: ACTOR, tenant, sourceId: source.id, secret, overlapSeconds },
      CALL,
    );
  const statuses = async () =>
    (await tenants.admin.getSource({ tenant, id: source.id }, CALL)).source!.secrets.map(
      ({ status }) => status,
    );
  const revoke = (secretId: string) =>
    tenants.admin.revokeSourceSecret({ actor: ACTOR, tenant, sourceId: source.id, secretId }, CALL);
  const first = source.secrets[0]!;
  const second = await rotate('', 3600);
  expect(second.generatedSecret).toMatch(/^[0-9a-f]{64}$/);
  expect(await statuses()).toEqual(['current', 'previous']);
  expect((await errorOf(revoke(second.secret!.id))).code).toBe('request.invalid');
  await revoke(first.id);
  expect(await statuses()).toEqual(['current']);
  expect((await errorOf(revoke(first.id))).code).toBe('secret.not_found');
  await rotate('another secret', 0);
  expect(await statuses()).toEqual(['current']);
  await rotate('', 60);
  await rotate('', 60);
  expect((await errorOf(rotate('', 60))).fields[0]?.path).toBe('overlapSeconds');
  await rotate('', 0);
  expect((await errorOf(rotate('short', 0))).code).toBe('secret.invalid');
  await tenants.admin.deleteSource({ actor: ACTOR, tenant, id: source.id }, CALL);
  expect((await errorOf(tenants.admin.getSource({ tenant, id: source.id }, CALL))).code).toBe(
    'source.not_found',
  );
});

test('a source: provider, settings and secret are checked, changes merge', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const create = (provider: string, secret: string, settingsJson: string) =>
    tenants.admin.createSource({ actor: ACTOR, tenant, name: 'x', provider, secret, settingsJson }, CALL);
  expect((await errorOf(create('pigeon', '', ''))).code).toBe('source.unknown_provider');
  expect(await errorOf(create('hmac', '', '{"colour":"red"}'))).toMatchObject({
    code: 'request.invalid',
    fields: [{ path: 'settings.colour' }],
  });
  expect((await errorOf(create('twilio', '', '{}'))).fields[0]?.path).toBe('secret');
  const { source } = await create('hmac', '', '{"algorithm":"sha1","maxBodyBytes":1000}');
  const update = (fields: object) =>
    tenants.admin.updateSource({ actor: ACTOR, tenant, id: source!.id, ...fields }, CALL);
  const changed = await update({
    name: 'y',
    status: 'paused',
    settingsJson: '{"maxBodyBytes":null,"algorithm":"sha256"}',
  });
  expect(changed.source).toMatchObject({
    name: 'y',
    status: 'paused',
    settingsJson: '{"algorithm":"sha256"}',
  });
  expect((await errorOf(update({ settingsJson: '{"maxBodyBytes":-1}' }))).fields[0]?.path).toBe(
    'settings.maxBodyBytes',
  );
  const given = (await create('hmac', 'secretsecret', '{}')).source!;
  const encoded = { actor: ACTOR, tenant, id: given.id, settingsJson: '{"secretEncoding":"hex"}' };
  // What was promised until then goes on: no genuine request is refused by a change of settings.
  expect(await errorOf(tenants.admin.updateSource(encoded, CALL))).toMatchObject({
    code: 'request.invalid',
    fields: [{ path: 'settings.secretEncoding' }],
  });
});

test('F6 a destination: create, change, disable, rotate, delete', async () => {
  const { id: tenant } = await makeTenant(tenants);
  expect((await errorOf(makeDestination(tenants, tenant, { url: 'http://127.0.0.1:9/' }))).code).toBe(
    'destination.address_forbidden',
  );
  const made = await makeDestination(tenants, tenant, {
    eventTypes: ['message.*', 'consent.opted_out'],
    headersJson: '{"authorization":"Bearer of-the-receiver"}',
    include: ['handoff.flat'],
  });
  expect(made.signingSecret).toMatch(/^whsec_/);
  const { id } = made.destination!;
  expect(made.destination).toMatchObject({
    maxAttempts: 12,
    maxInFlight: 64,
    ordering: 'none',
    status: 'active',
  });
  const changed = await tenants.admin.updateDestination(
    {
      actor: ACTOR,
      tenant,
      id,
      status: 'disabled',
      ratePerSecond: 5,
      eventTypes: [],
      replaceEventTypes: false,
      include: [],
      replaceInclude: false,
    },
    CALL,
  );
  expect(changed.destination).toMatchObject({
    status: 'disabled',
    ratePerSecond: 5,
    include: ['handoff.flat'],
    eventTypes: ['message.*', 'consent.opted_out'],
    headersJson: '{"authorization":"Bearer of-the-receiver"}',
  });
  const rotated = await tenants.admin.rotateDestinationSecret(
    { actor: ACTOR, tenant, destinationId: id, overlapSeconds: 60 },
    CALL,
  );
  expect(rotated.signingSecret).not.toBe(made.signingSecret);
  const { destination } = await tenants.admin.getDestination({ tenant, id }, CALL);
  expect(destination!.secrets.map(({ status }) => status)).toEqual(['current', 'previous']);
  await tenants.admin.deleteDestination({ actor: ACTOR, tenant, id }, CALL);
  expect((await errorOf(tenants.admin.getDestination({ tenant, id }, CALL))).code).toBe(
    'destination.not_found',
  );
});

test('B7 F6 a signing secret of a destination that leaked is revoked at once, the current one is not', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const made = await makeDestination(tenants, tenant);
  const other = await makeDestination(tenants, tenant);
  const { id } = made.destination!;
  const rotate = (overlapSeconds: number) =>
    tenants.admin.rotateDestinationSecret({ actor: ACTOR, tenant, destinationId: id, overlapSeconds }, CALL);
  const revoke = (secretId: string, destinationId = id, by = tenant) =>
    tenants.admin.revokeDestinationSecret({ actor: ACTOR, tenant: by, destinationId, secretId }, CALL);
  const codeOf = async (call: Promise<unknown>) => (await errorOf(call)).code;
  const secrets = async () =>
    (await tenants.admin.getDestination({ tenant, id }, CALL)).destination!.secrets.map((each) => each.id);
  const leaked = made.destination!.secrets[0]!.id;
  const second = (await rotate(3_600)).secret!.id;
  // Would break: a leaked secret goes on signing although somebody rotated without overlap.
  const third = (await rotate(0)).secret!.id;
  expect(await secrets()).toEqual([third, leaked]);
  expect(await codeOf(revoke(third))).toBe('request.invalid');
  expect(await codeOf(revoke(leaked, other.destination!.id))).toBe('secret.not_found');
  expect(await codeOf(revoke(leaked, id, (await makeTenant(tenants)).id))).toBe('destination.not_found');
  expect((await revoke(leaked)).applied).toMatchObject({ pending: [] });
  expect(await secrets()).toEqual([third]);
  for (const gone of [leaked, second, 'sec_none'])
    expect(await codeOf(revoke(gone))).toBe('secret.not_found');
  const { entries } = await tenants.admin.listAudit(
    { tenant, limit: 1, cursor: '', action: 'destination.secret_revoked' },
    CALL,
  );
  expect(entries[0]).toMatchObject({ target: id, actor: { id: ACTOR.id } });
});

test('lists are newest first and come in pages without gaps or repeats', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const ids: string[] = [];
  for (let index = 0; index < 5; index += 1) ids.push((await makeSource(tenants, tenant)).id);
  const seen: string[] = [];
  let cursor = '';
  do {
    const page = await tenants.admin.listSources({ tenant, limit: 2, cursor }, CALL);
    expect(page.sources.length).toBeLessThanOrEqual(2);
    seen.push(...page.sources.map(({ id }) => id));
    cursor = page.nextCursor;
  } while (cursor !== '');
  expect(seen).toEqual([...ids].reverse());
  for (const bad of ['nonsense', Buffer.from('["src_1"]').toString('base64url')])
    expect(
      (await errorOf(tenants.admin.listSources({ tenant, limit: 2, cursor: bad }, CALL))).fields[0]?.path,
    ).toBe('query.cursor');
  expect((await tenants.admin.listTenants({ limit: 1, cursor: '' }, CALL)).nextCursor).not.toBe('');
});

test('B8 every act is in the audit log: who, what, from where, without secrets', async () => {
  const { id: tenant, token } = await makeTenant(tenants);
  const source = await makeSource(tenants, tenant, 'a very secret secret');
  const made = await makeDestination(tenants, tenant, { headersJson: '{"x-key":"headervalue"}' });
  await tenants.admin.updateTenant({ actor: ACTOR, tenant, name: 'Renamed' }, CALL);
  await tenants.admin.deleteSource({ actor: ACTOR, tenant, id: source.id }, CALL);
  const verified = (word: string) => ({ actor: ACTOR, tenant, settingsJson: `{"verifyToken":"${word}"}` });
  const given = { ...verified('the-first-word'), name: 'W', provider: 'whatsapp' };
  const meta = await tenants.admin.createSource({ ...given, secret: 'an-app-secret-of-meta' }, CALL);
  await tenants.admin.updateSource({ ...verified('the-second-word'), id: meta.source!.id }, CALL);
  const { entries } = await tenants.admin.listAudit({ tenant, limit: 0, cursor: '' }, CALL);
  expect(entries.map(({ action }) => action)).toEqual([
    'source.updated',
    'source.created',
    'source.deleted',
    'tenant.updated',
    'destination.created',
    'source.created',
    'tenant.created',
  ]);
  expect(entries.every(({ actor }) => actor!.remoteAddress === '192.0.2.1' && actor!.id === 'key_test')).toBe(
    true,
  );
  expect(JSON.parse(entries[3]!.detailJson)).toEqual({
    before: { name: 'Test' },
    after: { name: 'Renamed' },
  });
  const text = JSON.stringify(entries, (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  for (const secret of ['a very secret secret', 'headervalue', token, made.signingSecret, '-word'])
    expect(text).not.toContain(secret);
});

test('B6 no secret, token or key stands in any column of the schema', async () => {
  const { id: tenant, token } = await makeTenant(tenants);
  const source = await makeSource(tenants, tenant, 'needle in the haystack');
  const rotated = await tenants.admin.rotateSourceSecret(
    { actor: ACTOR, tenant, sourceId: source.id, secret: '', overlapSeconds: 60 },
    CALL,
  );
  const made = await makeDestination(tenants, tenant, { headersJson: '{"authorization":"Bearer haystack"}' });
  const needles = [
    token,
    'needle in the haystack',
    rotated.generatedSecret,
    made.signingSecret,
    'Bearer haystack',
  ];
  const { rows: columns } = await house.db.query<{ table: string; column: string; type: string }>(
    `SELECT table_name AS table, column_name AS column, data_type AS type FROM information_schema.columns
      WHERE table_schema = 'tenants'`,
  );
  expect(columns.length).toBeGreaterThan(50);
  for (const { table, column, type } of columns) {
    // Every way a value could be written: as text, and as bytes.
    const text = type === 'bytea' ? `encode(${column}, 'escape')` : `${column}::text`;
    for (const needle of needles) {
      const { rows } = await house.db.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM tenants.${table} WHERE position($1 in ${text}) > 0`,
        [needle],
      );
      expect([table, column, rows[0]!.count]).toEqual([table, column, 0]);
    }
  }
});

test('a deleted tenant is gone, its keys are destroyed, its slug stays taken', async () => {
  const { id, slug, token } = await makeTenant(tenants);
  await makeSource(tenants, id);
  await makeDestination(tenants, id);
  await tenants.admin.deleteTenant({ actor: ACTOR, tenant: slug }, CALL);
  expect((await errorOf(tenants.admin.getTenant({ tenant: id }, CALL))).code).toBe('tenant.not_found');
  expect((await tenants.principals.authenticate({ token }, CALL)).keyId).toBe('');
  expect((await errorOf(makeTenant(tenants, slug))).code).toBe('tenant.slug_taken');
  for (const table of ['hash_key', 'secret_key', 'data_key', 'secret', 'source', 'destination', 'api_key']) {
    const { rows } = await house.db.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM tenants.${table} JOIN tenants.tenant USING (tenant_id) WHERE slug = $1`,
      [slug],
    );
    expect([table, rows[0]!.count]).toEqual([table, 0]);
  }
});
