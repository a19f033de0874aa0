@0xd1b5a7a3f2c94e60;
# The part of workerd's src/workerd/jsg/modules.capnp that a Pyodide bundle uses.
# Field numbers are workerd's; the file's own id does not appear in messages.

struct Bundle {
  modules @0 :List(Module);
}

struct Module {
  name @0 :Text;

  union {
    src @1 :Data;
    wasm @4 :Data;
    data @5 :Data;
    json @6 :Text;
  }

  tsDeclaration @3 :Text;
  type @2 :ModuleType;
  compileCache @7 :Data;
}

enum ModuleType {
  bundle @0;
  builtin @1;
  internal @2;
}
