import fc from 'fast-check';
import { FairQueue } from './fair-queue.js';
import { Fifo } from './fifo.js';

const QUANTUM = 4;
const takeAll = (queue: FairQueue<string>): string[] => {
  const taken: string[] = [];
  for (let item = queue.take(); item !== undefined; item = queue.take()) taken.push(item);
  return taken;
};

test('a backlog of one tenant delays another by one quantum, not by the backlog', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 40 }),
      (backlogs, own) => {
        const queue = new FairQueue<string>();
        backlogs.forEach((backlog, tenant) => {
          for (let n = 0; n < backlog; n++) queue.push(`big${tenant}`, `big${tenant}/${n % 3}`, 'big');
        });
        for (let n = 0; n < own; n++) queue.push('small', 'small/0', 'small');
        const turns = Math.ceil(own / QUANTUM);
        const last = takeAll(queue).lastIndexOf('small');
        expect(last).toBeLessThan(own + turns * backlogs.length * QUANTUM);
      },
    ),
  );
});

test('F7 within a lane the order is that of arrival, whatever else happens', () => {
  const step = fc.record({
    tenant: fc.integer({ min: 0, max: 2 }),
    lane: fc.integer({ min: 0, max: 2 }),
    action: fc.constantFrom('push', 'take', 'block', 'unblock', 'blockTenant', 'unblockTenant'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new FairQueue<{ lane: string; tenant: string; n: number }>();
      const [blocked, blockedTenants] = [new Set<string>(), new Set<string>()];
      const last = new Map<string, number>();
      let [pushed, taken] = [0, 0];
      steps.forEach(({ tenant, lane, action }, n) => {
        const [tenantId, laneId] = [`t${tenant}`, `t${tenant}/${lane}`];
        if (action === 'push') {
          queue.push(tenantId, laneId, { lane: laneId, tenant: tenantId, n });
          pushed += 1;
        } else if (action === 'take') {
          const item = queue.take();
          if (item === undefined) return;
          taken += 1;
          expect(blocked.has(item.lane) || blockedTenants.has(item.tenant)).toBe(false);
          expect(item.n).toBeGreaterThan(last.get(item.lane) ?? -1);
          last.set(item.lane, item.n);
        } else if (action === 'block' || action === 'unblock') {
          queue.setLaneBlocked(tenantId, laneId, action === 'block');
          if (action === 'block') blocked.add(laneId);
          else blocked.delete(laneId);
        } else {
          queue.setTenantBlocked(tenantId, action === 'blockTenant');
          if (action === 'blockTenant') blockedTenants.add(tenantId);
          else blockedTenants.delete(tenantId);
        }
        expect(queue.size).toBe(pushed - taken);
      });
      for (const lane of blocked) queue.setLaneBlocked(lane.split('/')[0]!, lane, false);
      for (const tenant of blockedTenants) queue.setTenantBlocked(tenant, false);
      let rest = 0;
      while (queue.take() !== undefined) rest += 1;
      expect(rest).toBe(pushed - taken); // nothing is lost in a block
    }),
  );
});

test('what is removed is gone from its lane only', () => {
  const queue = new FairQueue<string>();
  for (const item of ['a1', 'b1', 'a2']) queue.push('t', 't/0', item);
  queue.push('t', 't/1', 'a3');
  expect(queue.removeWhere((item) => item.startsWith('a'), 't/0')).toEqual(['a1', 'a2']);
  expect(queue.laneSize('t/0')).toBe(1);
  expect(queue.tenantSize('t')).toBe(2);
  expect(takeAll(queue).sort()).toEqual(['a3', 'b1']);
});

test('a long queue keeps its order when it is compacted', () => {
  const fifo = new Fifo<number>();
  for (let n = 0; n < 5_000; n++) fifo.push(n);
  for (let n = 0; n < 5_000; n++) expect(fifo.shift()).toBe(n);
  expect(fifo.shift()).toBeUndefined();
});
