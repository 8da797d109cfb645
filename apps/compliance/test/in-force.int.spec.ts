import fc from 'fast-check';
import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import type { RequestPermitRequest } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import type { Database } from '@posthorn/postgres/database.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { personLock } from '../src/domain/person.js';
import { INTAKE_ROLE } from '../src/persistence/roles.js';
import { CALL, clock, House, type Tenant } from './harness.js';

const ACTOR = 'key_test';
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let acme: Tenant;
let intake: Database;
let phones = 0;
const newPhone = (): string => `+43664${String((phones += 1)).padStart(7, '0')}`;

beforeAll(async () => {
  house = await House.open('compliance in force');
  [acme] = house.tenants.tenants as [Tenant];
  await house.db.query(`ALTER ROLE ${INTAKE_ROLE} PASSWORD '${house.db.password}'`);
  intake = house.db.database(INTAKE_ROLE);
  one = await house.start();
  await eventually(async () => expect((await ask(newPhone())).decision).toBe('allow'));
});
afterAll(() => house.close());

const ask = (address: string) => {
  const request: RequestPermitRequest = {
    ...{ tenantId: acme.id, messageId: formatId('msg', newUuid(clock.nowMs())), sourceId: '' },
    ...{ channel: 'sms', address, category: 'transactional', program: '', answersEventId: '', timeZone: '' },
    ...{ country: '', postalCode: '', lastInboundAtMs: 0, isReplay: false, provider: 'twilio' },
    ...{ isTemplate: false, carrierReplies: [] },
  };
  return one.permits.requestPermit(request, CALL);
};
const close = (permitId: string) =>
  one.permits.closePermit({ tenantId: acme.id, permitId, outcome: 'sent' }, CALL);
const link = (address: string, other: string) =>
  one.persons.linkPersons(
    { ...of(address), actorId: ACTOR, addresses: [other], personIds: [], principal: undefined },
    CALL,
  );
const personIdOf = (address: string): string => formatId('per', acme.hashOf(address));
const of = (address: string) => ({ tenantId: acme.id, personId: personIdOf(address) });

/** What intake is answered about these, as its role asks. */
const inForce = async (addresses: readonly string[], tenant = acme.uuidText): Promise<string[]> => {
  const { rows } = await intake.query<{ places: number[] }>(
    'SELECT compliance.opt_outs_in_force($1::uuid[], $2::bytea[]) AS places',
    [addresses.map(() => tenant), addresses.map((address) => acme.hashOf(address))],
  );
  return rows[0]!.places.map((place) => addresses[place - 1]!);
};

/** What the append transaction of events adds; from then on it is in force. */
const append = async (address: string, signal = 'opt_out'): Promise<void> => {
  await intake.query(
    `INSERT INTO compliance.pending_signal (tenant_id, person_hash, event_id, channel, signal, provider, traceparent)
     VALUES ($1, $2, $3, 'sms', $4, 'twilio', $5)`,
    [acme.uuidText, acme.hashOf(address), uuidText(newUuid(clock.nowMs())), signal, TRACEPARENT],
  );
};

describe('what intake asks once it has committed', () => {
  test('E1 nothing was permitted: in force; a permit is open: not, until it is closed', async () => {
    const [free, used] = [newPhone(), newPhone()];
    const { permitId } = await ask(used);
    expect(await inForce([used, free, used])).toEqual([free]);
    await close(permitId);
    expect(await inForce([used, free])).toEqual([used, free]);
  });

  test('E1 a permit that has expired is none', async () => {
    const address = newPhone();
    await ask(address);
    expect(await inForce([address])).toEqual([]);
    await eventually(async () => expect(await inForce([address])).toEqual([address]));
  });

  test('E7 the open permit of one who is linked counts', async () => {
    const [phone, other] = [newPhone(), newPhone()];
    await link(phone, other);
    const { permitId } = await ask(other);
    expect(await inForce([phone, other])).toEqual([]);
    await close(permitId);
    expect(await inForce([phone, other])).toEqual([phone, other]);
  });

  test('E1 while somebody gives a permit, or writes what was said, nothing is claimed and nobody waits', async () => {
    const [busy, free] = [newPhone(), newPhone()];
    const lock = String(personLock({ tenantId: acme.uuidText, hash: acme.hashOf(busy) }));
    for (const mode of ['_shared', '']) {
      await house.db.database('posthorn_compliance').transaction(async (tx) => {
        await tx.query(`SELECT pg_advisory_xact_lock${mode}($1::bigint)`, [lock]);
        expect(await inForce([busy, free])).toEqual([free]);
      });
    }
    expect(await inForce([busy, free])).toEqual([busy, free]);
  });

  test.each(['repeatable read', 'serializable'])(
    'E1 under %s nothing is claimed: the permit that was just given would not be seen',
    async (level) => {
      const address = newPhone();
      await intake.transaction(async (tx) => {
        await tx.query(`SET TRANSACTION ISOLATION LEVEL ${level}`);
        const { rows } = await tx.query<{ places: number[] }>(
          'SELECT compliance.opt_outs_in_force($1::uuid[], $2::bytea[]) AS places',
          [[acme.uuidText], [acme.hashOf(address)]],
        );
        expect(rows[0]!.places).toEqual([]);
      });
      expect(await inForce([address])).toEqual([address]);
    },
  );

  test('E1 it leaves no lock behind, and holds those that it takes until its statement ends', async () => {
    const address = newPhone();
    await intake.transaction(async (tx) => {
      await tx.query('SELECT compliance.opt_outs_in_force($1::uuid[], $2::bytea[])', [
        [acme.uuidText],
        [acme.hashOf(address)],
      ]);
      expect(await inForce([address])).toEqual([]);
    });
    expect(await inForce([address])).toEqual([address]);
  });

  test('E1 persons have the same locks there as here, whoever they are', async () => {
    // Would break: intake would hold a lock that nobody else takes, and see no permit that is being given.
    const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes));
    const person = fc.record({ tenantId: bytes16.map(uuidText), hash: bytes16 });
    const persons = fc.sample(person, 200);
    await intake.transaction(async (tx) => {
      await tx.query('SELECT compliance.opt_outs_in_force($1::uuid[], $2::bytea[])', [
        persons.map(({ tenantId }) => tenantId),
        persons.map(({ hash }) => hash),
      ]);
      const { rows } = await house.db.query<{ lock: string }>(
        `SELECT (classid::bigint << 32 | objid::bigint)::text AS lock FROM pg_locks
         WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND mode = 'ExclusiveLock'`,
      );
      const held = new Set(rows.map(({ lock }) => lock));
      expect(persons.filter((each) => !held.has(String(personLock(each))))).toEqual([]);
    });
  });

  test('E6 of a tenant whose key of persons was changed nothing is claimed: its persons have other names', async () => {
    const [address, tenant] = [newPhone(), uuidText(newUuid(clock.nowMs()))];
    expect(await inForce([address], tenant)).toEqual([address]);
    await house.db.query('INSERT INTO compliance.person_key (tenant_id, generation) VALUES ($1, 1)', [
      tenant,
    ]);
    expect(await inForce([address], tenant)).toEqual([]);
  });

  test('F2 the role of intake learns no more than that', async () => {
    for (const query of [
      'SELECT given_at FROM compliance.permit',
      'SELECT is_marketing FROM compliance.permit',
      'SELECT lock FROM compliance.person_link',
      'SELECT generation FROM compliance.person_key',
      'SELECT tenant_id FROM compliance.pending_signal',
      'SELECT tenant_id FROM compliance.suppression',
      'SELECT tenant_id FROM compliance.decision',
      'DELETE FROM compliance.permit',
    ])
      await expect(intake.query(query)).rejects.toThrow(/permission denied/);
  });
});

describe('what is in force and not written yet', () => {
  const optedOut = (suppressions: readonly { readonly reason: string }[]): void =>
    expect(suppressions.map(({ reason }) => reason)).toEqual(['opt_out']);

  test.each<readonly [string, (address: string) => Promise<void>]>([
    [
      'who asks about an address',
      async (address) => {
        const request = { tenantId: acme.id, address, channel: '' };
        optedOut((await one.query.checkAddress(request, CALL)).suppressions);
      },
    ],
    [
      'who looks a person up',
      async (address) => {
        const request = { tenantId: acme.id, address, personId: '', channel: '' };
        optedOut((await one.personQuery.lookupPerson(request, CALL)).suppressions);
      },
    ],
    [
      'who lists suppressions of a person',
      async (address) => {
        const request = { ...of(address), reason: '', channel: '', hasLifted: false, cursor: '', limit: 10 };
        optedOut((await one.query.listSuppressions(request, CALL)).suppressions);
      },
    ],
    [
      'who lists all suppressions',
      async (address) => {
        const request = { tenantId: acme.id, personId: '', reason: '', channel: '' };
        const { suppressions } = await one.query.listSuppressions(
          { ...request, hasLifted: false, cursor: '', limit: 100 },
          CALL,
        );
        optedOut(suppressions.filter(({ personId }) => personId === personIdOf(address)));
      },
    ],
    [
      'who lists all consents',
      async (address) => {
        const request = { tenantId: acme.id, personId: '', cursor: '', limit: 100 };
        const { consents } = await one.consentQuery.listConsents(request, CALL);
        expect(consents.some(({ personId }) => personId === personIdOf(address))).toBe(true);
      },
    ],
    [
      'who reads the history of a person',
      async (address) => {
        const { entries } = await one.personQuery.listPersonHistory(
          { ...of(address), cursor: '', limit: 10 },
          CALL,
        );
        expect(entries.length).toBeGreaterThan(0);
      },
    ],
    [
      'who asks what could be sent',
      async (address) => {
        const { consentStatus, previews } = await one.previews.previewSends(
          {
            ...{ ...of(address), channel: 'sms', address, provider: 'twilio', lastInboundAtMs: 0 },
          },
          CALL,
        );
        expect([consentStatus, ...previews.map(({ rule }) => rule)]).toEqual([
          'opted_out',
          'suppression.opt_out',
          'suppression.opt_out',
        ]);
      },
    ],
  ])('E1 %s sees it', async (_who, sees) => {
    const address = newPhone();
    await append(address);
    await sees(address);
  });

  test('E5 who sees it first loses nothing of it: whose it was, and its trace', async () => {
    const address = newPhone();
    await append(address);
    await one.consentQuery.listConsents({ ...of(address), cursor: '', limit: 1 }, CALL);
    const { rows } = await house.db.query(
      'SELECT provider, channel FROM compliance.consent_signal WHERE person_hash = $1',
      [acme.hashOf(address)],
    );
    expect(rows).toEqual([{ provider: 'twilio', channel: 'sms' }]);
    await eventually(() =>
      expect([...house.events.appended.values()]).toContainEqual(
        expect.objectContaining({ personHash: acme.hashOf(address), traceparent: TRACEPARENT }),
      ),
    );
  });

  test('E7 it is seen of one who is linked, too', async () => {
    const [phone, other] = [newPhone(), newPhone()];
    await link(phone, other);
    await append(other);
    const { linkedPersonIds } = await one.personQuery.lookupPerson(
      { tenantId: acme.id, address: phone, personId: '', channel: '' },
      CALL,
    );
    expect(linkedPersonIds).toEqual([personIdOf(other)]);
    expect(await ask(phone)).toMatchObject({ decision: 'deny', rule: 'suppression.opt_out' });
  });

  test('E1 a permit is refused for what waits: a STOP as it stands, what says less once it is written', async () => {
    const [stopped, dead] = [newPhone(), newPhone()];
    await append(stopped);
    await append(dead, 'hard_bounce');
    expect(await ask(stopped)).toMatchObject({ decision: 'deny', rule: 'opt_out.pending' });
    expect(await ask(dead)).toMatchObject({ decision: 'deny', rule: 'suppression.hard_bounce' });
  });

  test('E5 whoever lifts by hand lifts what was acknowledged before', async () => {
    // Would break: written afterwards, the first STOP would come back into force under the eyes of who has just lifted it.
    const address = newPhone();
    await append(address);
    const { suppressions } = await one.query.checkAddress({ tenantId: acme.id, address, channel: '' }, CALL);
    await append(address);
    await one.changes.deleteSuppression(
      {
        tenantId: acme.id,
        actorId: ACTOR,
        id: suppressions[0]!.id,
        reason: 'a mistake',
        principal: undefined,
      },
      CALL,
    );
    expect((await ask(address)).decision).toBe('allow');
    const left = 'SELECT FROM compliance.pending_signal WHERE person_hash = $1';
    expect((await house.db.query(left, [acme.hashOf(address)])).rowCount).toBe(0);
  });

  test('E1 what cannot be written stops every send all the same, of who said it and of who is linked', async () => {
    const [phone, other] = [newPhone(), newPhone()];
    await link(phone, other);
    await append(phone, 'opt_out_of_a_later_version');
    for (const address of [phone, other])
      expect(await ask(address)).toMatchObject({ decision: 'deny', rule: 'opt_out.pending' });
    expect((await ask(newPhone())).decision).toBe('allow');
  });

  test('E1 a list is as of its question, however much comes meanwhile', async () => {
    const many = Array.from({ length: 600 }, newPhone);
    await Promise.all(many.map((address) => append(address)));
    let isOver = false;
    const more = (async () => {
      while (!isOver) await append(newPhone());
    })();
    const request = { tenantId: acme.id, personId: '', cursor: '', limit: 10 };
    await one.consentQuery.listConsents(request, CALL);
    const { rows } = await house.db.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM compliance.pending_signal WHERE person_hash = ANY ($1)`,
      [many.map((address) => acme.hashOf(address))],
    );
    isOver = true;
    await more;
    expect(rows[0]!.count).toBe(0);
  });
});
