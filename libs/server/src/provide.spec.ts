import { provide, provideFactory, provideValue } from './provide.js';

class Store {
  insertOnce(): number {
    return 1;
  }
  claimDue(): number {
    return 2;
  }
}
abstract class Clock {
  abstract nowMs(): number;
}
class UseCase {
  constructor(
    readonly store: Pick<Store, 'insertOnce'>,
    readonly clock: Clock,
    readonly limit = 5,
  ) {}
}

test('a provider makes its object from its dependencies', () => {
  const line = provide(UseCase, Store, Clock);
  expect(line).toMatchObject({ provide: UseCase, inject: [Store, Clock] });
  const made = line.useFactory(new Store(), { nowMs: () => 7 }) as UseCase;
  expect([made.store.insertOnce(), made.clock.nowMs(), made.limit]).toEqual([1, 7, 5]);
  expect(provideValue(Clock, { nowMs: () => 1 })).toMatchObject({ provide: Clock });
  expect(
    provideFactory(UseCase, (store: Store) => new UseCase(store, { nowMs: () => 1 }), Store),
  ).toMatchObject({
    inject: [Store],
  });
});

test('the compiler refuses a missing, a wrong and a swapped dependency', () => {
  // Type errors are what is tested: tsc fails when one of these lines compiles.
  // @ts-expect-error a dependency is missing
  provide(UseCase, Store);
  // @ts-expect-error swapped
  provide(UseCase, Clock, Store);
  // @ts-expect-error not what the constructor takes
  provide(UseCase, UseCase, Clock);
  // @ts-expect-error one too many
  provide(Store, Clock);
  // @ts-expect-error the value does not fit its token
  provideValue(Store, { insertOnce: () => 1 });
  // @ts-expect-error the factory takes a Store
  provideFactory(UseCase, (store: Store) => new UseCase(store, { nowMs: () => 1 }), Clock);
});
