import fc from 'fast-check';
import { keyedHash } from '@posthorn/crypto/keyed-hash.js';
import { logHashOf, personKey, personLock } from './person.js';
import { AS_THE_LOG, type KeptUnder, PersonKeys } from './person-keys.js';

const TENANT = '01890000-0000-7000-8000-000000000001';
const HASH_KEY = Buffer.alloc(32, 7);
const ADDRESSES = 6;
const logHash = (address: number): Buffer => keyedHash(HASH_KEY, 'person', `+43${address}`);
const keyOf = (_tenant: string, generation: number): Buffer => Buffer.alloc(32, generation);

/** The rows of one tenant, and the steps that the store takes with them: whom it locks, it moves first. */
class Rows {
  private state: KeptUnder = AS_THE_LOG;
  private readonly kept = new Set<string>();
  private readonly moved = new Set<string>();
  private readonly keys = new PersonKeys(keyOf);

  get hashes(): readonly string[] {
    return [...this.kept];
  }

  suppress(address: number): void {
    this.kept.add(this.settled(address));
  }

  has(address: number): boolean {
    return this.kept.has(this.settled(address));
  }

  /** Whom the rows are about, as others name them. */
  names(): string[] {
    const { generation, former } = this.state;
    return [...this.kept].map((hash) => {
      const under = this.moved.has(hash) ? generation : (former ?? generation);
      return logHashOf(this.keys.ofRow(TENANT, Buffer.from(hash, 'hex'), under)).toString('hex');
    });
  }

  begin(): void {
    if (this.state.former !== undefined) return;
    this.moved.clear();
    this.become({ generation: this.state.generation + 1, former: this.state.generation });
  }

  /** The job: the first that has not moved, and when all have, the end. */
  moveOne(): void {
    const { former } = this.state;
    if (former === undefined) return;
    const next = [...this.kept].find((hash) => !this.moved.has(hash));
    if (next === undefined) this.become({ ...this.state, former: undefined });
    else this.move(this.keys.ofRow(TENANT, Buffer.from(next, 'hex'), former));
  }

  private settled(address: number): string {
    const person = this.keys.person(TENANT, logHash(address));
    if (this.keys.isMoving(person)) this.move(person);
    return person.hash.toString('hex');
  }

  private move(person: ReturnType<PersonKeys['person']>): void {
    const hash = person.hash.toString('hex');
    if (this.moved.has(hash)) return;
    this.moved.add(hash);
    if (this.kept.delete(this.keys.former(person).hash.toString('hex'))) this.kept.add(hash);
  }

  private become(state: KeptUnder): void {
    this.state = state;
    this.keys.learn(new Map([[TENANT, state]]));
  }
}

const step = fc.oneof(
  fc.record({ kind: fc.constantFrom('suppress' as const, 'look' as const), address: fc.nat(ADDRESSES - 1) }),
  fc.record({ kind: fc.constantFrom('begin' as const, 'move' as const), address: fc.constant(0) }),
);

test('E1 E6 however keys change in between, exactly those are found who were suppressed, under their own name', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const [rows, suppressed] = [new Rows(), new Set<number>()];
      for (const { kind, address } of steps) {
        if (kind === 'suppress') {
          rows.suppress(address);
          suppressed.add(address);
        } else if (kind === 'look') expect(rows.has(address)).toBe(suppressed.has(address));
        else if (kind === 'begin') rows.begin();
        else rows.moveOne();
        const wanted = [...suppressed].map((one) => logHash(one).toString('hex'));
        expect(rows.names().sort()).toEqual(wanted.sort());
      }
      for (let address = 0; address < ADDRESSES; address++)
        expect(rows.has(address)).toBe(suppressed.has(address));
    }),
  );
});

test('E6 once all have moved no row is what the hash key, or a key before, makes of an address', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(ADDRESSES - 1)),
      fc.integer({ min: 1, max: 3 }),
      (addresses, changes) => {
        const rows = new Rows();
        addresses.forEach((address) => rows.suppress(address));
        const seen = new Set(rows.hashes);
        for (let change = 0; change < changes; change++) {
          rows.begin();
          for (let moves = 0; moves <= addresses.length; moves++) rows.moveOne();
          expect(rows.hashes).toHaveLength(addresses.length);
          expect(rows.hashes.filter((hash) => seen.has(hash))).toEqual([]);
          rows.hashes.forEach((hash) => seen.add(hash));
        }
      },
    ),
  );
});

test('without a key in memory nobody is named, and what was learned is asked for again; a tenant that is gone has none', () => {
  let asked = 0;
  const keys = new PersonKeys((tenantId) => (tenantId === TENANT ? undefined : 'gone'));
  keys.whenStale(() => (asked += 1));
  expect(keys.person(TENANT, logHash(1))).toMatchObject({ hash: logHash(1), generation: 0 });
  keys.learn(new Map(['gone', TENANT].map((id) => [id, { generation: 1, former: undefined }])));
  expect(() => keys.person(TENANT, logHash(1))).toThrow('data_key.unavailable');
  expect([asked, keys.canName(TENANT), keys.canName('gone')]).toEqual([1, false, true]);
  expect(keys.person('gone', logHash(1)).hash).toEqual(logHash(1));
});

test('a person under two keys has two locks: whoever moves it takes both', () => {
  const keys = new PersonKeys(keyOf);
  keys.learn(new Map([[TENANT, { generation: 2, former: 1 }]]));
  const person = keys.person(TENANT, logHash(1));
  const former = keys.former(person);
  expect(keys.isMoving(person)).toBe(true);
  expect(personKey(former)).not.toBe(personKey(person));
  expect(personLock(former)).not.toBe(personLock(person));
  expect(keys.isMoving(former)).toBe(false);
});
