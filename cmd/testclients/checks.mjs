// What the scripts for Node share: a line per check, and the end of the program.
let failed = 0;

export async function check(name, run) {
  try {
    await run();
    console.log(`ok   node: ${name}`);
  } catch (err) {
    failed++;
    console.log(`FAIL node: ${name}: ${err.stack}`, err.cause ?? "");
  }
}
export function equal(got, want) {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}
export async function raises(kind, run, what = "") {
  try {
    await run();
  } catch (err) {
    if (err instanceof kind) return err;
    throw err;
  }
  throw new Error(`${what} no ${kind.name}`);
}
export function end() {
  process.exit(failed ? 1 : 0);
}
