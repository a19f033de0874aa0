export default { fetch( { return "this is no JavaScript: postgres://root:hunter2@db.internal"
