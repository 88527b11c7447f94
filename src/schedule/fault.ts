/** Something wrong at an offset of the text; `path` as a Problem has it. */
export interface Fault {
  readonly at: number;
  readonly path: string;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly hint?: string;
  /** Says that something is missing; silent when something below the same path is unknown, most likely just that. */
  readonly missing?: true;
}

/** An error. */
export function fault(at: number, path: string, message: string, hint?: string): Fault {
  return { at, path, severity: 'error', message, ...(hint === undefined ? {} : { hint }) };
}

/** Something without effect. */
export function warning(at: number, path: string, message: string, hint?: string): Fault {
  return { ...fault(at, path, message, hint), severity: 'warning' };
}

/** An error that says that something is missing. */
export function missing(at: number, path: string, message: string, hint?: string): Fault {
  return { ...fault(at, path, message, hint), missing: true };
}

/** Appends faults. Not `push(...more)`: a file of garbage has more of them than a call may have arguments. */
export function add(faults: Fault[], more: Iterable<Fault>): void {
  for (const one of more) faults.push(one);
}
