import { type FactoryProvider, type InjectionToken, type ValueProvider } from '@nestjs/common';

/** A class, abstract or not, that stands for its instances. */
export type Token<T> = abstract new (...args: never[]) => T;

/** For each parameter a class whose instances fit it. */
export type TokensOf<A extends readonly unknown[]> = { [I in keyof A]: Token<A[I]> };

/**
 * One line of the composition root: how an object of the process is made.
 * Why: the compiler checks number, order and type of the dependencies, and the class needs no decorator.
 * A parameter may be wider than the class given for it (`Pick<EventStore, 'insertOnce'>`, an abstract class).
 */
export function provide<A extends unknown[], T>(
  type: new (...args: A) => T,
  ...dependencies: TokensOf<NoInfer<A>>
): FactoryProvider<T> {
  return {
    provide: type,
    useFactory: (...args: unknown[]) => new type(...(args as A)),
    inject: dependencies as InjectionToken[],
  };
}

/** An object that exists already, under its class or an abstract one. */
export function provideValue<T>(token: Token<T>, value: NoInfer<T>): ValueProvider<T> {
  return { provide: token, useValue: value };
}

/** An object that needs more than a constructor call. `make` may be asynchronous. */
export function provideFactory<T, A extends unknown[]>(
  token: Token<T>,
  make: (...args: A) => NoInfer<T> | Promise<NoInfer<T>>,
  ...dependencies: TokensOf<NoInfer<A>>
): FactoryProvider<T> {
  return {
    provide: token,
    useFactory: (...args: unknown[]) => make(...(args as A)),
    inject: dependencies as InjectionToken[],
  };
}
