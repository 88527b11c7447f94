/**
 * Runs one job at a time in this process. A call while it runs makes it run once more afterwards: whatever
 * changed after the job had looked is looked at again, so no wake-up is missed and none piles up.
 */
export interface Worker {
  wake(): void;
  readonly busy: boolean;
  /** Resolves when it neither runs nor is to run. */
  idle(): Promise<void>;
}

/** @param job must not throw: what goes wrong is its own business to say. */
export function createWorker(job: () => Promise<void>): Worker {
  let again = false;
  let running: Promise<void> | undefined;
  const run = async () => {
    while (again) {
      again = false;
      await job();
    }
  };
  return {
    wake() {
      again = true;
      running ??= run().finally(() => {
        running = undefined;
        // Woken between its last look and here.
        if (again) this.wake();
      });
    },
    get busy() {
      return running !== undefined;
    },
    async idle() {
      while (running !== undefined) await running;
    },
  };
}
